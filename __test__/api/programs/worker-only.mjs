/** A module that only a worker can load. */

if (!process.argv[1]?.includes('worker.cjs')) throw new Error('this module is for workers');

export class WorkerError extends RangeError {
  /** @type {number} */
  status = 503;

  get isWorkers() {
    return true;
  }
}

export class Reply {
  text = 'busy';
}

export function describe() {
  return 'described';
}
