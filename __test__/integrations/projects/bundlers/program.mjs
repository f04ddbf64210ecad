import { get, init, remote, shutdown } from 'eagleray';

import { square } from './square.mjs';

const offset = 1;

init({ numCpus: 2 });
console.log(await get(remote((x) => square(x) + offset).remote(4)));
await shutdown();
