// Objects: `put`, `get` and `wait`, small and large.

import { setImmediate, setTimeout } from 'node:timers/promises';
import { ObjectRef, allocate, asCompleted, get, getSync, put, remote, wait } from 'eagleray';
import { durationMs, rate, repeat } from '../harness/measure.mjs';
import { collectGarbage, growRealisticHeap, touchFreshMemory } from '../harness/memory.mjs';
import { createRefs, putLargeArrays, putSmallValues, smallValue } from './remote-code.mjs';

const LARGE_LENGTH = 100_000_000;
const LARGE_GIGABYTES = 0.8;
const COLD_SAMPLES = 3;
const WARM_SAMPLES = 5;
const GETS_PER_SAMPLE = 20;
const GET_SAMPLES = 5;
const MANY_REFS = 100_000;
const AS_COMPLETED_SAMPLES = 5;

const gigabytesPerSecond = (/** @type {number} */ ms) => (LARGE_GIGABYTES * 1_000) / ms;

const SMALL_OBJECT = { id: 7, name: 'a small object', tags: ['one', 'two'], isNew: true };

/** Where each ref is kept until the next one comes: a ref that nobody sees is not even made by an optimised loop. */
export let lastRef;

const putSmall = (/** @type {string} */ id, /** @type {unknown} */ value) => ({
  async run(/** @type {import('../harness/measure.mjs').Settings} */ settings) {
    return { rows: { [id]: await rate(settings, () => void (lastRef = put(value))) } };
  },
});

/** GB/s of copying `source` over memory that has been written to before. */
const memcpy = async (source, destination) =>
  gigabytesPerSecond(await durationMs(() => void destination.set(source)));

export const objectCases = {
  'put-small': putSmall('put-small', 0),
  'put-small-object': putSmall('put-small-object', SMALL_OBJECT),
  'put-small-text': putSmall('put-small-text', 'x'.repeat(2_000)),
  'put-small-tasks': {
    async run(settings) {
      const putValues = remote(putSmallValues);
      const puts = () => get(Array.from({ length: 10 }, () => putValues.remote(100)));
      return { rows: { 'put-small-tasks': await rate(settings, puts, 1_000) } };
    },
  },
  'get-small': {
    async run(settings) {
      growRealisticHeap();
      const ref = put(0);
      return { rows: { 'get-small': await rate(settings, () => get(ref)) } };
    },
  },
  'get-small-blocking': {
    async run(settings) {
      growRealisticHeap();
      const ref = put(0);
      return { rows: { 'get-small-blocking': await rate(settings, () => void getSync(ref)) } };
    },
  },
  'wait-1k-refs': {
    async run(settings) {
      const submit = () => Array.from({ length: 1_000 }, () => smallValue.remote());
      const waitOneByOne = async () => {
        let notReady = submit();
        while (notReady.length > 0) [, notReady] = await wait(notReady);
      };
      const iterate = async () => {
        let count = 0;
        for await (const ref of asCompleted(submit())) count += ref instanceof ObjectRef ? 1 : 0;
        if (count !== 1_000) throw new Error(`${count} refs came out`);
      };
      return {
        rows: { 'wait-1k-refs': await rate(settings, waitOneByOne) },
        references: { 'wait-1k-refs': { asCompleted: await rate(settings, iterate) } },
      };
    },
  },
  'as-completed-100k': {
    async run() {
      const submit = () => Array.from({ length: MANY_REFS }, () => smallValue.remote());
      const iterate = async (/** @type {ObjectRef<string>[]} */ refs) => {
        let count = 0;
        for await (const ref of asCompleted(refs)) count += ref instanceof ObjectRef ? 1 : 0;
        if (count !== MANY_REFS) throw new Error(`${count} refs came out`);
      };
      const beyond = [];
      const ready = [];
      await get(submit());
      for (let sample = 0; sample < AS_COMPLETED_SAMPLES; sample++) {
        let refs;
        const tasksMs = await durationMs(() => get((refs = submit())));
        const loopMs = await durationMs(() => iterate(submit()));
        beyond.push(((loopMs - tasksMs) * 1_000) / MANY_REFS);
        ready.push(((await durationMs(() => iterate(refs))) * 1_000) / MANY_REFS);
      }
      return { rows: { 'as-completed-100k': beyond, 'as-completed-100k-ready': ready } };
    },
  },
  'get-object-of-10k-refs': {
    async run(settings) {
      growRealisticHeap();
      const ref = remote(createRefs).remote(10_000);
      const getRefs = async () => {
        const { length } = await get(ref);
        if (length !== 10_000) throw new Error(`the object holds ${length} refs`);
      };
      return { rows: { 'get-object-of-10k-refs': await rate(settings, getRefs) } };
    },
  },
  'put-gigabytes': {
    initOptions: { objectStoreMemory: 4e9 },
    async run(settings) {
      const array = new BigInt64Array(100 * 1_024 * 1_024);
      // Python frees the object as soon as `put`'s result is dropped; here that is what `dispose` does.
      const putLarge = () => put(array).dispose();
      return { rows: { 'put-gigabytes': await rate(settings, putLarge, 0.8) } };
    },
  },
  'put-gigabytes-two-workers': {
    initOptions: { objectStoreMemory: 4e9 },
    async run(settings) {
      const putLarge = remote(putLargeArrays);
      const puts = () => get(Array.from({ length: 10 }, () => putLarge.remote(10)));
      return { rows: { 'put-gigabytes-two-workers': await rate(settings, puts, 10 * 0.8) } };
    },
  },
  'put-800mb': {
    initOptions: { objectStoreMemory: 4e9 },
    async run() {
      const source = new Float64Array(LARGE_LENGTH).fill(1.5);
      const putSource = async () => {
        let ref;
        const ms = await durationMs(() => void (ref = put(source)));
        return { ref, value: gigabytesPerSecond(ms) };
      };

      // Ours and the reference in turn; nothing is let go in between, so that every page is a fresh one for both.
      touchFreshMemory(2 * COLD_SAMPLES * LARGE_LENGTH * 8);
      const cold = [];
      const firstTouch = [];
      const kept = [];
      for (let i = 0; i < COLD_SAMPLES; i++) {
        const { ref, value } = await putSource();
        cold.push(value);
        const fresh = new Float64Array(LARGE_LENGTH);
        firstTouch.push(await memcpy(source, fresh));
        kept.push({ ref, fresh });
      }
      for (const { ref } of kept.splice(0)) ref.dispose();
      collectGarbage();

      const warm = [];
      const copied = [];
      const destination = new Float64Array(LARGE_LENGTH).fill(2.5);
      for (let i = 0; i < WARM_SAMPLES; i++) {
        // The space that was let go is to be back before the next put.
        await setTimeout(50);
        const { ref, value } = await putSource();
        warm.push(value);
        ref.dispose();
        copied.push(await memcpy(source, destination));
      }
      return {
        rows: { 'put-800mb-cold': cold, 'put-800mb-warm': warm },
        references: {
          'put-800mb-cold': { 'first touch': firstTouch },
          'put-800mb-warm': { memcpy: copied },
        },
      };
    },
  },
  'put-800mb-allocated': {
    initOptions: { objectStoreMemory: 4e9 },
    async run() {
      const destination = new Float64Array(LARGE_LENGTH).fill(2.5);
      const source = new Float64Array(LARGE_LENGTH).fill(1.5);
      const copied = [];
      const samples = await repeat(WARM_SAMPLES, async (index) => {
        const array = allocate(Float64Array, LARGE_LENGTH);
        array.fill(index + 1);
        let ref;
        const ms = await durationMs(() => void (ref = put(array)));
        const stored = await get(ref);
        if (stored[LARGE_LENGTH - 1] !== index + 1) throw new Error('another array came back');
        ref.dispose();
        copied.push(await memcpy(source, destination));
        // The space is free when the views of it are collected.
        collectGarbage();
        await setTimeout(50);
        return gigabytesPerSecond(ms);
      });
      return {
        rows: { 'put-800mb-allocated': samples },
        references: { 'put-800mb-allocated': { memcpy: copied } },
      };
    },
  },
  'get-800mb': {
    initOptions: { objectStoreMemory: 2e9 },
    async run() {
      growRealisticHeap();
      const ref = put(new Float64Array(LARGE_LENGTH).fill(1.5));
      collectGarbage();
      await setTimeout(50);
      // The mean over many gets, not the fastest one: the collections that views cause are part of their price.
      const samples = await repeat(GET_SAMPLES, async () => {
        const ms = await durationMs(async () => {
          for (let i = 0; i < GETS_PER_SAMPLE; i++) {
            const view = await get(ref);
            if (view[LARGE_LENGTH - 1] !== 1.5) throw new Error('another array came back');
            view[3] = i;
          }
          await setImmediate();
        });
        return (ms * 1_000) / GETS_PER_SAMPLE;
      });
      return { rows: { 'get-800mb': samples } };
    },
  },
};
