/**
 * Tip 3 of Ray's "tips for first-time users": don't pass the same object again and again.
 *
 * A large argument is copied into the object store at every call. `put` copies it once, and its
 * ref can be passed as often as needed. `allocate` even saves that copy: the array is written
 * where it will be stored.
 *
 * The slow form needs 800 MB of memory for its ten copies.
 */
import { allocate, get, init, put, remote, shutdown } from 'eagleray';
import { timed } from './stopwatch.ts';

const length = 10_000_000; // 80 MB of Float64
const taskCount = 10;

const firstAndLast = remote((numbers: Float64Array) => numbers[0]! + numbers[numbers.length - 1]!);

function times<T>(call: () => T): T[] {
  return Array.from({ length: taskCount }, call);
}

await init({ objectStoreMemory: 2 ** 30 });

const numbers = Float64Array.from({ length }, (_, i) => i);
await get(times(() => firstAndLast.remote(new Float64Array(1)))); // Both forms find warm workers.

const slow = await timed(`slow, an 80 MB array passed to ${taskCount} tasks`, () =>
  get(times(() => firstAndLast.remote(numbers))),
);

const fast = await timed('fast, put once and its ref passed', () => {
  const ref = put(numbers);
  return get(times(() => firstAndLast.remote(ref)));
});

const inPlace = allocate(Float64Array, length);
inPlace.set(numbers);
const fastest = await timed('fastest, allocated in the store, put without a copy', () => {
  const ref = put(inPlace);
  return get(times(() => firstAndLast.remote(ref)));
});

const same = [...slow, ...fast, ...fastest].every((sum) => sum === length - 1);
console.log(`results: ${same ? 'the same' : 'different'}`);
await shutdown();
