/**
 * Nothing waits for good, and nothing runs twice: behind a full ring, behind a cancelled call, in a slot that another
 * task had before, or while the thread that submitted it is busy. Whatever hangs here ends with a GetTimeoutError.
 */

import { existsSync } from 'node:fs';
import {
  TaskCancelledError,
  availableResources,
  cancel,
  get,
  getSync,
  init,
  remote,
  shutdown,
  terminate,
  waitSync,
  type ObjectRef,
} from 'eagleray';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { makeGates, openGate, passGate, passGateSync } from '../api/gates.ts';
import { rejection } from '../api/rejection.ts';

const PATIENCE_MS = 20_000;
const PATIENCE = { timeoutMs: PATIENCE_MS };

const gates = makeGates();

afterAll(() => gates.dispose());

/** Keeps this thread busy until something has happened. False if it does not happen. */
function busyUntil(happened: () => boolean, limitMs = PATIENCE_MS): boolean {
  const deadline = Date.now() + limitMs;
  while (!happened()) if (Date.now() > deadline) return false;
  return true;
}

describe('tasks that never end', () => {
  afterEach(() => shutdown());

  test.each([1, 2, 3])('do not keep %d actors from the place of one that ends', async (count) => {
    await init({ numCpus: 3 });
    const begin = remote((begun: string) => {
      openGate(begun);
      for (;;);
    });
    const pass = remote(async (begun: string, gate: string) => {
      openGate(begun);
      await passGate(gate);
    });
    const begun = [gates.next(), gates.next(), gates.next()] as const;
    const gate = gates.next();
    begin.remote(begun[0]);
    begin.remote(begun[1]);
    pass.remote(begun[2], gate);
    for (const each of begun) await passGate(each);
    class Waiting {
      ready() {
        return 'ready';
      }
    }
    // Their places are asked for of those that never end, after a while of all three.
    const actors = Array.from({ length: count }, () => remote(Waiting).remote());
    const ready = actors.map((actor) => actor.ready.remote());
    await new Promise((resolve) => void setTimeout(resolve, 50));
    openGate(gate);
    expect(await get(ready, PATIENCE)).toEqual(ready.map(() => 'ready'));
  });

  test('do not keep an actor from the place of short ones', async () => {
    await init({ numCpus: 2 });
    const begun = gates.next();
    remote((gate: string) => {
      openGate(gate);
      for (;;);
    }).remote(begun);
    await passGate(begun);
    // There is always one more of them.
    const feeding = { isOver: false };
    const short = remote(() => new Promise<void>((resolve) => void setTimeout(resolve, 2)));
    const feed = async () => {
      while (!feeding.isOver) await get(Array.from({ length: 20 }, () => short.remote()));
    };
    const feeders = [feed(), feed()];
    class Waiting {
      ready() {
        return 'ready';
      }
    }
    const actor = remote(Waiting).remote();
    const answer = get(actor.ready.remote(), PATIENCE).catch(String);
    expect(await answer).toBe('ready');
    feeding.isOver = true;
    await Promise.all(feeders);
  });
});

describe('a class with room for one lease', () => {
  const inX = { resources: { X: 1 } };
  const pass = remote(async (begun: string, gate: string) => {
    openGate(begun);
    await passGate(gate);
  });

  // Each test has a lease of its own: one that is stuck would hold up the others.
  beforeEach(async () => {
    await init({ numCpus: 3, resources: { X: 1 } });
  });
  afterEach(() => shutdown());

  test.each(['at once', 'when the ring is full'])(
    'runs what is behind a task that begins to wait %s',
    async (when) => {
      const [go, waiting, end] = [gates.next(), gates.next(), gates.next()];
      const lengthOf = remote((text: string) => text.length, inX);
      expect(await get(lengthOf.remote('warm'), PATIENCE)).toBe(4);
      const first = remote(async (on: string, begun: string, gate: string) => {
        await passGate(on);
        await get(pass.remote(begun, gate));
        return 'waited';
      }, inX).remote(go, waiting, end);
      if (when === 'at once') openGate(go);
      const behind = Array.from({ length: 500 }, () => lengthOf.remote('x'.repeat(1000)));
      // The ring is filled when a turn of the event loop ends.
      await new Promise((resolve) => setImmediate(resolve));
      openGate(go);
      await passGate(waiting);
      openGate(end);
      expect(await get(first, PATIENCE)).toBe('waited');
      expect(await get(behind, PATIENCE)).toEqual(Array(500).fill(1000));
    },
  );

  test('is free again when a task ends that has left a get behind, as a race does', async () => {
    const [end, over] = [gates.next(), gates.next()];
    const race = remote(async (never: string, gate: string) => {
      const timeout = passGate(gate).then(() => 'timeout');
      return Promise.race([get(pass.remote(gate, never)), timeout]);
    }, inX).remote(end, over);
    expect(await get(race, PATIENCE)).toBe('timeout');
    expect(await get(remote(() => 'next', inX).remote(), PATIENCE)).toBe('next');
    openGate(end);
  });

  /** Blocks its thread until the gate is open. */
  const block = (begun: string, gate: string, text: string): number => {
    openGate(begun);
    passGateSync(gate);
    return text.length;
  };
  class Blocker {
    run(begun: string, gate: string, text: string): number {
      return block(begun, gate, text);
    }
  }
  /** What calls a task, or an actor: both have rings of their own. */
  const targets = {
    task: () => remote(block, inX),
    actor: () => remote(Blocker).remote().run,
  };

  test.each([
    ['task', 'a loop of waitSync'],
    ['task', 'a get'],
    ['actor', 'a loop of waitSync'],
    ['actor', 'a get'],
  ] as const)(
    'runs each %s behind a full ring of which half was cancelled, seen by %s',
    async (target, how) => {
      const run = targets[target]();
      const text = 'x'.repeat(30_000);
      for (let round = 0; round < 20; round++) {
        const [started, end] = [gates.next(), gates.next()];
        const running = run.remote(started, end, '');
        await passGate(started);
        const refs = Array.from({ length: 16 }, () => run.remote(started, end, text));
        const [dropped, kept] = [refs.slice(0, 8), refs.slice(8)];
        await new Promise((resolve) => setImmediate(resolve));
        for (const ref of dropped) cancel(ref);
        const ended = () => waitSync([running], { timeoutMs: 0 })[0].length > 0;
        if (how !== 'a get') busyUntil(ended, 50);
        openGate(end);
        if (how === 'a get') await get(running, PATIENCE);
        else expect(busyUntil(ended)).toBe(true);
        for (const ref of dropped) {
          expect(await rejection(get(ref, PATIENCE))).toBeInstanceOf(TaskCancelledError);
        }
        expect(await get(kept, PATIENCE)).toEqual(Array(8).fill(text.length));
      }
    },
  );
});

describe('a cancelled call', () => {
  const pass = remote(
    async (gate: string, value: number) => {
      await passGate(gate);
      return value;
    },
    { numCpus: 0 },
  );
  const addOne = remote((x: number) => x + 1);
  class Actor {
    hits = 0;
    async hit(begun: string, gate: string): Promise<number> {
      this.hits++;
      openGate(begun);
      await passGate(gate);
      return this.hits;
    }
    async count(): Promise<number> {
      return this.hits;
    }
  }
  class Ordered {
    echo(value: unknown): unknown {
      return value;
    }
  }

  beforeAll(async () => {
    await init({ numCpus: 2 });
  });
  afterAll(() => shutdown());

  test('does not send the next task in its slot before the argument of that is there', async () => {
    const [first, second] = [gates.next(), gates.next()];
    // A lease that is idle takes at once what looks ready.
    expect(await get(addOne.remote(1), PATIENCE)).toBe(2);
    const [x, y] = [pass.remote(first, 10), pass.remote(second, 20)];
    const dropped = addOne.remote(x);
    cancel(dropped);
    expect(await rejection(get(dropped, PATIENCE))).toBeInstanceOf(TaskCancelledError);
    const next = addOne.remote(y);
    openGate(first);
    expect(await get(x, PATIENCE)).toBe(10);
    openGate(second);
    expect(await get(next, PATIENCE)).toBe(21);
  });

  test('does not make the next call in its slot run twice', async () => {
    const [first, started, end] = [gates.next(), gates.next(), gates.next()];
    const actor = remote(Actor).remote();
    expect(await get(actor.count.remote(), PATIENCE)).toBe(0);
    const x = pass.remote(first, 10);
    const dropped = addOne.remote(x);
    cancel(dropped);
    expect(await rejection(get(dropped, PATIENCE))).toBeInstanceOf(TaskCancelledError);
    const hit = actor.hit.remote(started, end);
    await passGate(started);
    openGate(first);
    expect(await get(x, PATIENCE)).toBe(10);
    openGate(end);
    expect(await get(hit, PATIENCE)).toBe(1);
    expect(await get(actor.count.remote(), PATIENCE)).toBe(1);
  });

  test('does not hold up the one behind it, if it was the first of an ordered actor', async () => {
    const end = gates.next();
    const actor = remote(Ordered).remote();
    expect(await get(actor.echo.remote(0), PATIENCE)).toBe(0);
    const first = actor.echo.remote(pass.remote(end, 1));
    const behind = actor.echo.remote('behind');
    cancel(first);
    expect(await rejection(get(first, PATIENCE))).toBeInstanceOf(TaskCancelledError);
    expect(await get(behind, PATIENCE)).toBe('behind');
    openGate(end);
  });

  test('leaves the CPUs of its lease available', async () => {
    const task = remote(() => 1, { numCpus: 2 });
    // Some are cancelled on their way to the worker, and some are faster than that.
    for (let round = 0; round < 20; round++) {
      expect(await get(task.remote(), PATIENCE)).toBe(1);
      const ref = task.remote();
      cancel(ref);
      await get(ref, PATIENCE).catch(() => undefined);
      await expect.poll(() => availableResources()['CPU'], { timeout: PATIENCE_MS }).toBe(2);
    }
  });
});

describe('the reply of a call', () => {
  beforeAll(async () => {
    await init({ numCpus: 3 });
  });
  afterAll(() => shutdown());

  test('arrives although the next call blocks its actor', async () => {
    class Waiter {
      #ref: ObjectRef<void> | undefined;
      keep([ref]: [ObjectRef<void>]): void {
        this.#ref = ref;
      }
      compute(ms: number): number {
        const end = performance.now() + ms;
        while (performance.now() < end);
        return ms;
      }
      block(): void {
        getSync(this.#ref!);
      }
    }
    const pass = remote(async (gate: string) => passGate(gate));
    const actor = remote(Waiter).remote();
    // Replies are sent together, so that there are moments at which one has not been sent.
    for (const ms of [0, 0.5, 1, 2, 3, 4, 4.5, 4.5, 4.5, 4.8, 5.2, 6, 10, 30]) {
      const gate = gates.next();
      await get(actor.keep.remote([pass.remote(gate)]), PATIENCE);
      await get(actor.compute.remote(ms), PATIENCE);
      const [first, second] = [actor.compute.remote(ms), actor.block.remote()];
      expect(await get(first, PATIENCE)).toBe(ms);
      openGate(gate);
      await get(second, PATIENCE);
    }
  });

  test('arrives although its actor was terminated while the driver was busy', async () => {
    class Speaker {
      speak(index: number, gate?: string): string {
        if (gate !== undefined) openGate(gate);
        return 'x'.repeat(50_000) + index;
      }
    }
    const actor = remote(Speaker).remote();
    await get(actor.speak.remote(0), PATIENCE);
    const last = gates.next();
    const refs = Array.from({ length: 30 }, (_, index) =>
      index < 29 ? actor.speak.remote(index) : actor.speak.remote(index, last),
    );
    terminate(actor);
    // The calls are handed over when the turn ends.
    await Promise.resolve();
    expect(busyUntil(() => existsSync(last))).toBe(true);
    // Time enough for an actor to end that does not stay until somebody has read its replies.
    busyUntil(() => false, 1000);
    const texts = await get(refs, PATIENCE);
    expect(texts.map((text) => text.slice(50_000))).toEqual(texts.map((_, index) => `${index}`));
  });
});

describe('while the driver is busy', () => {
  const touch = remote((gate: string) => openGate(gate));

  beforeAll(async () => {
    await init({ numCpus: 1 });
  });
  afterAll(() => shutdown());

  test('a task runs whose argument has just been made', async () => {
    const [first, second] = [gates.next(), gates.next()];
    const make = remote(async (begun: string, gate: string) => {
      await passGate(begun);
      return gate;
    });
    await get(touch.remote(gates.next()), PATIENCE);
    const touched = touch.remote(make.remote(first, second));
    // The turn of the event loop in which both were submitted is over.
    setTimeout(() => openGate(first), 0);
    await passGate(first);
    expect(busyUntil(() => existsSync(second))).toBe(true);
    await get(touched, PATIENCE);
  });

  class Touching {
    constructor(begun: string) {
      openGate(begun);
    }
    async touch(_text: string, gate?: string): Promise<void> {
      if (gate !== undefined) openGate(gate);
    }
    async block(begun: string, gate: string): Promise<void> {
      openGate(begun);
      passGateSync(gate);
    }
  }

  test('what is called late in a turn runs', async () => {
    const [early, late] = [gates.next(), gates.next()];
    const actor = remote(Touching).remote(gates.next());
    await get(actor.touch.remote(''), PATIENCE);
    const refs = [actor.touch.remote('', early)];
    busyUntil(() => false, 100);
    refs.push(actor.touch.remote('', late));
    expect(busyUntil(() => existsSync(late))).toBe(true);
    await get(refs, PATIENCE);
  });

  test('an actor works through a queue that is longer than its ring', async () => {
    const [started, go, last] = [gates.next(), gates.next(), gates.next()];
    const actor = remote(Touching).remote(gates.next());
    const blocked = actor.block.remote(started, go);
    await passGate(started);
    const text = 'x'.repeat(2000);
    const refs = Array.from({ length: 999 }, () => actor.touch.remote(text));
    refs.push(actor.touch.remote(text, last));
    await Promise.resolve();
    openGate(go);
    expect(busyUntil(() => existsSync(last))).toBe(true);
    await get([blocked, ...refs], PATIENCE);
  });
});
