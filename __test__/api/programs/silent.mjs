// As output.mjs, with the output of workers turned off.
import { get, init, remote, shutdown } from 'eagleray';

await init({ numCpus: 1, logToDriver: false });
await get(remote(() => console.log('not to be seen')).remote());
await shutdown();
console.log('ended');
