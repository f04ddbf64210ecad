/**
 * A pool of actors that process pictures: the next picture goes to the actor that is free first.
 *
 * An actor pays for its set-up once (here a table, elsewhere a model) and uses it for every
 * picture. The pictures are in the object store, so that the actors read them without a copy.
 */
import { clusterResources, get, init, put, remote, shutdown, wait } from 'eagleray';
import type { ActorHandle, ObjectRef } from 'eagleray';

const width = 1024;
const height = 1024;
const pictureCount = 24;

/** Grey levels, one byte a pixel, row by row. */
interface Picture {
  width: number;
  height: number;
  pixels: Uint8Array;
}

/** Corrects the brightness of pictures by a table that it computes once. */
class GammaCorrector {
  table: Uint8Array;

  constructor(gamma: number) {
    this.table = Uint8Array.from({ length: 256 }, (_, level) =>
      Math.round(255 * (level / 255) ** gamma),
    );
  }

  correct({ width, height, pixels }: Picture): Picture {
    return { width, height, pixels: pixels.map((level) => this.table[level]!) };
  }
}

/** A slanted gradient, different for each `index`. */
function makePicture(index: number): Picture {
  const pixels = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      pixels[y * width + x] = (x + y + index) % 256;
    }
  }
  return { width, height, pixels };
}

function meanLevel({ pixels }: Picture): number {
  return pixels.reduce((total, level) => total + level, 0) / pixels.length;
}

const RemoteCorrector = remote(GammaCorrector);

await init();
const actorCount = Math.max(2, Math.ceil(clusterResources()['CPU']!));
const idle = Array.from({ length: actorCount }, () => RemoteCorrector.remote(0.5));
const waiting = Array.from({ length: pictureCount }, (_, index) => put(makePicture(index)));

const start = performance.now();
const picturesOf = new Map<ActorHandle<GammaCorrector>, number>();
const actorOf = new Map<string, ActorHandle<GammaCorrector>>();
let running: ObjectRef<Picture>[] = [];
let totalLevel = 0;

while (waiting.length > 0 || running.length > 0) {
  while (waiting.length > 0 && idle.length > 0) {
    const actor = idle.shift()!;
    const result = actor.correct.remote(waiting.shift()!);
    actorOf.set(result.id, actor);
    running.push(result);
  }
  const [ready, rest] = await wait(running);
  running = rest;
  for (const result of ready) {
    const actor = actorOf.get(result.id)!;
    actorOf.delete(result.id);
    idle.push(actor);
    picturesOf.set(actor, (picturesOf.get(actor) ?? 0) + 1);
    totalLevel += meanLevel(await get(result));
  }
}

const elapsedMs = performance.now() - start;
console.log(`${pictureCount} pictures by ${actorCount} actors in ${elapsedMs.toFixed(0)} ms`);
console.log(`pictures of each actor: ${[...picturesOf.values()].join(' ')}`);
console.log(`mean level after the correction: ${(totalLevel / pictureCount).toFixed(2)}`);
await shutdown();
