export declare class DriverError extends TypeError {
  status: number;
}
export declare class Plain {
  value: number;
}
