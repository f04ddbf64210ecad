/** Prints how much of the store is not given back after errors with arrays were passed on, again and again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { availableResources, clusterResources, get, init, remote, shutdown, wait } from 'eagleray';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

const failure = () =>
  Object.assign(new RangeError('inner'), { array: new Float64Array(2 ** 16).fill(1) });
const boom = remote(() => {
  throw failure();
});
const same = remote((value) => value);
const three = remote((value) => [value, value, value]).options({ numReturns: 3 });
const Echo = remote(
  class {
    same(value) {
      return value;
    }
  },
);
const Broken = remote(
  class {
    constructor() {
      throw failure();
    }
    same() {}
  },
);
const passesOn = remote(async ({ ref }) => {
  const passed = same.remote(ref);
  await wait([passed]);
  return { ref: passed };
});

const situations = [
  (ref) => [same.remote(ref)],
  (ref) => three.remote(ref),
  (ref) => [Echo.remote(1).same.remote(ref)],
  (ref) => [Echo.remote(ref).same.remote(1)],
  () => [Broken.remote().same.remote()],
  async (ref) => [(await get(passesOn.remote({ ref }))).ref],
];

async function passOn(situation) {
  const ref = boom.remote();
  await wait([ref]);
  const heirs = await situation(ref);
  await wait(heirs, { numReturns: heirs.length });
  ref.dispose();
  for (const heir of heirs) {
    await get(heir).catch(() => undefined);
    heir.dispose();
  }
}

async function passAllOn() {
  for (let round = 0; round < 5; round++)
    for (const situation of situations) await passOn(situation);
}

const notGivenBack = () =>
  clusterResources().objectStoreMemory - availableResources().objectStoreMemory;

await init({ numCpus: 3, objectStoreMemory: 48 * 2 ** 20, logToDriver: false });
await passAllOn();
const deadline = performance.now() + 15_000;
do {
  collectGarbage();
  await sleep(5);
} while (notGivenBack() > 0 && performance.now() < deadline);
console.log(`not given back: ${notGivenBack()}`);
await shutdown();
