/** A module that no worker can load. */

if (process.argv[1]?.includes('worker.cjs')) throw new Error('this module is for the driver');

export class DriverError extends TypeError {
  status = 400;
}

export class Plain {
  value = 1;
}
