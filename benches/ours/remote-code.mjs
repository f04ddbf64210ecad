// The functions and classes that the cases run remotely. They are exports of a module of their own, so that they reach
// the workers by reference, as the code of a real program does.
//
// The names and shapes are those of `ray microbenchmark`, so that the two sides can be read side by side.

import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { get, put, remote } from 'eagleray';

export function returnSmallValue() {
  return 'ok';
}

/** The empty task that most rows count. */
export const smallValue = remote(returnSmallValue);

export class Actor {
  smallValue() {
    return 'ok';
  }
  smallValueArgument(_argument) {
    return 'ok';
  }
  async smallValueBatch(count) {
    await get(Array.from({ length: count }, () => smallValue.remote()));
  }
}

export class AsyncActor {
  async smallValue() {
    return 'ok';
  }
  async smallValueArgument(_argument) {
    return 'ok';
  }
}

/** An actor that calls other actors. */
export class Client {
  constructor(servers) {
    this.servers = servers;
  }
  async smallValueBatch(count) {
    const refs = [];
    for (const server of this.servers) {
      for (let i = 0; i < count; i++) refs.push(server.smallValue.remote());
    }
    await get(refs);
  }
  async smallValueArgumentBatch(count) {
    const argument = put(0);
    const refs = [];
    for (const server of this.servers) {
      for (let i = 0; i < count; i++) refs.push(server.smallValueArgument.remote(argument));
    }
    await get(refs);
  }
}

/** Calls the actors in turn, `count` calls in all. */
export async function callActors(actors, count) {
  const refs = [];
  for (let i = 0; i < count; i++) refs.push(actors[i % actors.length].smallValue.remote());
  await get(refs);
}

export function putSmallValues(count) {
  for (let i = 0; i < count; i++) put(0);
}

/** Puts `count` arrays of 80 MiB. */
export function putLargeArrays(count) {
  // Python frees an object as soon as its last name is gone; here that is what `dispose` does.
  for (let i = 0; i < count; i++) put(new BigInt64Array(10 * 1_024 * 1_024)).dispose();
}

export function createRefs(count) {
  return Array.from({ length: count }, () => put(1));
}

export function countArguments(...values) {
  return values.length;
}

export function listOfNumbers(count) {
  return Array.from({ length: count }, (_, index) => index);
}

export function byteLength(array) {
  return array.byteLength;
}

export function returnNothing() {}

/**
 * Holds its CPU until the file `gate` exists. It looks for the file instead of waiting in `get`, because a task that
 * waits in `get` gives its CPU back, and then nothing would be queued behind it.
 */
export async function holdCpuUntil(gate, startedFile) {
  writeFileSync(startedFile, '');
  while (!existsSync(gate)) await setTimeout(2);
}
