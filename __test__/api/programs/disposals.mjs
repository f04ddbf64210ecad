/**
 * Values of the driver, a task and an actor, and how they end with the program.
 *
 * node disposals.mjs shutdown|running|order|failing|hanging|exit|alone|twice [FOLDER]
 */

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get, init, perProcess, remote, shutdown } from 'eagleray';

const what = process.argv[2];
if (what !== 'alone') await init({ numCpus: 1, logToDriver: true });
const say = (text) => console.log(text);
const driver = process.pid;
const where = () => (process.pid === driver ? 'driver' : 'worker');

const pool = perProcess(() => ({ of: where() }), {
  dispose: async ({ of }) => {
    await new Promise((resolve) => setImmediate(resolve));
    say(`${of} disposed in the ${where()}`);
  },
});

if (what === 'shutdown') {
  pool();
  await get(remote(() => pool().of).remote());
  await shutdown();
  await shutdown();
} else if (what === 'running') {
  // The task is under way when the runtime ends, and so is a call of an actor.
  const gates = ['task', 'call'].map((name) => join(process.argv[3], name));
  const stay = (gate) => {
    pool();
    writeFileSync(gate, '');
    return new Promise(() => setInterval(() => undefined, 1000));
  };
  class Stays {
    call(gate) {
      return stay(gate);
    }
  }
  remote(stay).remote(gates[0]);
  const actor = remote(Stays, { numCpus: 0 }).remote();
  void actor.call.remote(gates[1]);
  while (!gates.every((gate) => existsSync(gate))) await sleep(2);
  await shutdown();
} else if (what === 'order') {
  const make = (name) =>
    perProcess(() => name, { dispose: (value) => say(`${where()}: ${value}`) });
  const [first, second, third] = ['first', 'second', 'third'].map(make);
  const use = () => [first(), third(), second()].length;
  use();
  await get(remote(use).remote());
  await shutdown();
} else if (what === 'failing') {
  const broken = perProcess(() => 1, {
    dispose: () => {
      throw new RangeError(`no way out of the ${where()}`);
    },
  });
  const rejected = perProcess(() => 2, {
    dispose: async () => {
      throw new RangeError(`nor out of the ${where()}`);
    },
  });
  const use = () => pool().of.length + broken() + rejected();
  use();
  await get(remote(use).remote());
  await shutdown();
  say('end');
} else if (what === 'hanging') {
  const stuck = perProcess(() => 1, {
    dispose: () => new Promise(() => setInterval(say, 1e6, '')),
  });
  const use = () => pool().of.length + stuck();
  use();
  await get(remote(use).remote());
  await shutdown();
  say('end');
  process.exit(0);
} else if (what === 'exit') {
  // No shutdown: the program just ends.
  pool();
  await get(remote(() => pool().of).remote());
} else if (what === 'alone') {
  pool();
} else if (what === 'twice') {
  const [one, two] = [pool(), await get(remote(() => pool().of).remote())];
  await shutdown();
  await init({ numCpus: 1 });
  say(`${one === pool()} ${two} ${await get(remote(() => pool().of).remote())}`);
  await shutdown();
}
