export declare class AnywhereError extends Error {
  hint: string;
  told(): string;
}
export declare class Fails {
  method(): number;
}
