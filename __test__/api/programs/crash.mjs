// An error outside of the awaited promise, which Node itself prints while it ends the worker.
import { get, init, remote, shutdown } from 'eagleray';

await init({ numCpus: 1 });
const crash = remote(
  function crashing() {
    setImmediate(() => {
      throw new RangeError('outside');
    });
    return new Promise(() => undefined);
  },
  { maxRetries: 0 },
);
const error = await get(crash.remote()).catch((reason) => reason);
await shutdown();
console.log(error.name);
