/** `keepCpus`: a task that waits in `get` or `getSync` gives its CPUs back, unless it says that it keeps them. */

import {
  TaskCancelledError,
  availableResources,
  cancel,
  get,
  getSync,
  init,
  remote,
  shutdown,
  type ActorHandle,
} from 'eagleray';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rejection } from './rejection.ts';

/** What has happened, in order, and a door that opens once. All methods are async, so that it takes calls at once. */
class Notes {
  events: string[] = [];
  private open: () => void = () => undefined;
  private opened: Promise<void> = Promise.resolve();

  async begin(): Promise<void> {
    this.events = [];
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }

  async pass(): Promise<void> {
    this.events.push('waits');
    await this.opened;
  }

  async note(event: string): Promise<void> {
    this.events.push(event);
    if (event === 'open' || event === 'other') this.open();
  }

  async list(): Promise<string[]> {
    return this.events;
  }
}

let record: ActorHandle<Notes>;

beforeAll(async () => {
  await init({ numCpus: 1 });
  record = remote(Notes, { numCpus: 0 }).remote();
});

afterAll(async () => {
  await shutdown();
});

/**
 * Runs another task, which needs the only CPU and opens the door, while `waiting` waits. Where that keeps the CPU somebody else
 * has to open it, a long while after.
 */
async function orderOf(
  waiting: () => ReturnType<typeof other.remote>,
  isKept: boolean,
): Promise<string[]> {
  await get(record.begin.remote());
  const first = waiting();
  while (!(await get(record.list.remote())).includes('waits')) continue;
  const second = other.remote(record);
  if (isKept) {
    // Each is a way there and back, in which a CPU that is free would have started the other task.
    for (let turn = 0; turn < 5_000; turn++) await get(record.list.remote());
    await get(record.note.remote('open'));
  }
  await get([first, second]);
  return (await get(record.list.remote())).filter((event) => event !== 'waits');
}

const other = remote(async (notes: ActorHandle<Notes>) => {
  await get(notes.note.remote('other'));
});

test('a task that keeps its CPUs lets no other one run while it waits in get', async () => {
  const keeping = remote(async (notes: ActorHandle<Notes>) => {
    await get(notes.pass.remote(), { keepCpus: true });
    await get(notes.note.remote('ended'), { keepCpus: true });
  });
  expect(await orderOf(() => keeping.remote(record), true)).toEqual(['open', 'ended', 'other']);
});

test('a task that keeps its CPUs lets no other one run while it waits in getSync, also for a list', async () => {
  const keeping = remote((notes: ActorHandle<Notes>) => {
    getSync([notes.pass.remote()], { keepCpus: true });
    getSync(notes.note.remote('ended'), { keepCpus: true });
  });
  expect(await orderOf(() => keeping.remote(record), true)).toEqual(['open', 'ended', 'other']);
});

test('without it, or with false, the other one runs', async () => {
  const giving = remote(async (notes: ActorHandle<Notes>, keepCpus?: boolean) => {
    await get(notes.pass.remote(), keepCpus === undefined ? {} : { keepCpus });
    await get(notes.note.remote('ended'));
  });
  const givingSync = remote((notes: ActorHandle<Notes>) => {
    getSync(notes.pass.remote(), { keepCpus: false });
  });
  expect((await orderOf(() => giving.remote(record), false))[0]).toBe('other');
  expect((await orderOf(() => giving.remote(record, false), false))[0]).toBe('other');
  expect((await orderOf(() => givingSync.remote(record), false))[0]).toBe('other');
});

test('one that waits in both ways at once gives its CPU back until the latter has ended', async () => {
  const both = remote(async (notes: ActorHandle<Notes>) => {
    const kept = get(notes.pass.remote(), { keepCpus: true });
    await Promise.all([kept, get(notes.pass.remote())]);
  });
  expect((await orderOf(() => both.remote(record), false))[0]).toBe('other');
});

test('a cancelled task that keeps its CPUs is interrupted', async () => {
  const keeping = remote(async (notes: ActorHandle<Notes>) => {
    await get(notes.pass.remote(), { keepCpus: true });
  });
  await get(record.begin.remote());
  const ref = keeping.remote(record);
  while (!(await get(record.list.remote())).includes('waits')) continue;
  cancel(ref);
  expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
  await get(record.note.remote('open'));
});

test('outside of a task it changes nothing', async () => {
  const one = remote(() => 1);
  expect(await get(one.remote(), { keepCpus: true })).toBe(1);
  expect(getSync([one.remote(), one.remote()], { keepCpus: true })).toEqual([1, 1]);
});

test('what is no flag is refused, and wait does not know it', async () => {
  const ref = remote(() => 1).remote();
  const error = await rejection(get(ref, { keepCpus: 1 as never }));
  expect(error).toMatchObject({ name: 'InvalidArgumentError', argument: 'keepCpus' });
  expect(() => getSync(ref, { keepCpus: 'yes' as never })).toThrow(/keepCpus/);
  await get(ref);
});

test('all CPUs are back', () => {
  expect(availableResources()['CPU']).toBe(1);
});
