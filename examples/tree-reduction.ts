/**
 * A sum by a tree of tasks: a task splits its range in two, starts a task for each half and adds
 * what they give. While it waits in `get` it gives its CPU back, so that a tree of any
 * depth comes to its end on any number of CPUs.
 */
import { get, init, put, remote, shutdown } from 'eagleray';
import type { ObjectRef } from 'eagleray';

const length = 4_000_000;
const largestLeaf = 250_000;

/** The range of an array in the store whose sum is wanted. A ref inside an object stays a ref. */
interface Range {
  numbers: ObjectRef<Float64Array>;
  first: number;
  last: number;
}

/** What a tree of tasks gives: its sum, and of how many tasks and levels it was made. */
interface Reduction {
  sum: number;
  tasks: number;
  levels: number;
}

async function reduceRange({ numbers, first, last }: Range): Promise<Reduction> {
  if (last - first <= largestLeaf) {
    // Every leaf reads the same memory: `get` copies nothing, whatever the size of the array.
    const leaf = (await get(numbers)).subarray(first, last);
    return { sum: leaf.reduce((total, number) => total + number, 0), tasks: 1, levels: 1 };
  }
  const middle = Math.floor((first + last) / 2);
  const [left, right] = await get([
    reduce.remote({ numbers, first, last: middle }),
    reduce.remote({ numbers, first: middle, last }),
  ]);
  return {
    sum: left.sum + right.sum,
    tasks: left.tasks + right.tasks + 1,
    levels: Math.max(left.levels, right.levels) + 1,
  };
}

const reduce = remote(reduceRange);

await init();
const numbers = put(Float64Array.from({ length }, (_, i) => i));
const { sum, tasks, levels } = await get(reduce.remote({ numbers, first: 0, last: length }));

console.log(`${tasks} tasks on ${levels} levels`);
console.log(`the sum is ${sum}, it should be ${(length * (length - 1)) / 2}`);
await shutdown();
