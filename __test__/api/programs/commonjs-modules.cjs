/** Uses what a CommonJS module has made with perProcess by each way, in two orders; each value counts its uses. */
const { get, init, kill, remote, shutdown } = require('eagleray');
const { named, tools, useHidden } = require('./own-loggers.cjs');

class Uses {
  captured() {
    return ++named().uses;
  }
  given(value) {
    return ++value().uses;
  }
  byValue(use) {
    return use();
  }
  byImport() {
    return useHidden();
  }
}

async function main() {
  await init({ numCpus: 1 });
  const ways = [
    (actor) => actor.captured.remote(),
    (actor) => actor.given.remote(named),
    (actor) => actor.byValue.remote(tools.useHidden),
    (actor) => actor.byImport.remote(),
  ];
  for (const order of [
    [0, 1, 2, 3],
    [1, 0, 3, 2],
  ]) {
    const actor = remote(Uses, { numCpus: 0 }).remote();
    const uses = [];
    for (const way of order) uses.push(await get(ways[way](actor)));
    console.log(uses.join(' '));
    kill(actor);
  }
  await shutdown();
}

void main();
