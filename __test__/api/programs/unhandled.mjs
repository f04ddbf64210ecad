// Drops a ref of a failed task without asking for it, and one that was asked for.
import { get, init, remote, shutdown, wait } from 'eagleray';

await init({ numCpus: 1 });
const fail = remote(function failing(text) {
  throw new RangeError(text);
});
const dropped = fail.remote('nobody asked');
await wait([dropped]);
dropped.dispose();
const asked = fail.remote('somebody asked');
await get(asked).catch(() => undefined);
asked.dispose();
await get(remote(() => 1).remote());
await shutdown();
console.log('ended');
