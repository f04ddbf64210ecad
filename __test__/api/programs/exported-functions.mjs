/** Exports of a module that its text does not declare as functions; prints whether the receiver has its own ones. */

import { get, init, remote, shutdown } from 'eagleray';

import wrapped, { made, nested, shadowed } from './wrapped-functions.mjs';

await init({ numCpus: 1 });
const url = new URL('wrapped-functions.mjs', import.meta.url).href;
const results = {};
for (const [name, fn] of Object.entries({ default: wrapped, made, nested, shadowed })) {
  const isOwn = async (given) => given === (await import(url))[name];
  results[name] = {
    argument: await get(remote((given, check) => check(given)).remote(fn, isOwn)),
    captured: await get(remote(() => isOwn(fn)).remote()),
    result: (await get(remote((given) => given).remote(fn))) === fn,
  };
}
await shutdown();
console.log(JSON.stringify(results));
