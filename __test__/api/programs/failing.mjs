// An error that nobody catches, with its own file and line.
import { get, init, remote } from 'eagleray';

await init({ numCpus: 1 });
await get(
  remote(function failing() {
    throw new RangeError('not caught');
  }).remote(),
);
