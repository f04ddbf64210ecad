/**
 * What is kept inside of errors of values that can't be stored whole: an error's response without its socket, a list
 * without its promises. In the place of what can't be stored is a note that says why.
 *
 * Functions and objects with a state of their own making are stored whole or not at all. So is everything outside of
 * errors: there, what can't be stored is an error of the caller's.
 *
 * Invariants:
 * 1. An object that can be stored whole stays itself, so that it is still one with the same object elsewhere.
 * 2. An object that can't be has one substitute in all errors of a graph; circles go on being circles.
 * 3. Each object is looked at once, however long the ways are that lead to it.
 */

import { excerptOf } from './excerpts.ts';
import type { Graph, Remade } from './graph.ts';
import { explained, noteFor } from './obstacle.ts';
import { symbolKeys } from './own-properties.ts';
import { SYMBOL_OF_PROCESS, isSymbolOfProcess } from './primitives.ts';
import { type PathStep, Step, type TrailPoint, elementOrKey } from './trail.ts';

/** An object inside of what can't be stored whole. */
class Part {
  readonly value: object;
  readonly point: TrailPoint;
  /** The property that leads here: whoever reads it may expect an error. */
  readonly key: string | symbol;
  readonly holders: Part[] = [];
  /** What it is made of; a member may be a part itself. */
  members: readonly Member[] = [];
  /** How its substitute is made; `excerpt`: as a plain object, whatever it is itself. */
  kind: Remade | 'excerpt' | undefined = undefined;
  /** It can't be stored as it is. */
  isChanged = false;
  /** What stands in its place if it is changed. */
  substitute: unknown = undefined;

  constructor(value: object, key: string | symbol, point: TrailPoint) {
    this.value = value;
    this.key = key;
    this.point = point;
  }
}

/** A property, element or entry. Both are what they are, or a part. */
interface Member {
  readonly key: unknown;
  readonly value: unknown;
}

/** What is kept of the objects of one graph. */
export class Remains {
  private readonly graph: Graph;
  private readonly parts = new Map<object, Part>();
  /** Parts that were met and not looked at yet. */
  private fresh: Part[] = [];

  constructor(graph: Graph) {
    this.graph = graph;
  }

  /**
   * What is kept of a value that can't be stored as it is.
   *
   * @param key the property that leads to it
   * @param obstacle why it can't be
   */
  of(value: unknown, key: string | symbol, point: TrailPoint, obstacle: unknown): unknown {
    if (typeof value !== 'object' || value === null) return noteFor(key, obstacle);
    const known = this.parts.get(value);
    if (known !== undefined) return resolved(known);
    const part = this.newPart(value, key, point);
    this.survey();
    return resolved(part);
  }

  private newPart(value: object, key: string | symbol, point: TrailPoint): Part {
    const part = new Part(value, key, point);
    this.parts.set(value, part);
    this.fresh.push(part);
    return part;
  }

  private survey(): void {
    const { fresh } = this;
    // It grows meanwhile. A list and no recursion: what an error holds may nest deeper than any stack.
    for (const part of fresh) this.look(part);
    this.fresh = [];
    const changed = fresh.filter((part) => part.isChanged);
    for (let part = changed.pop(); part !== undefined; part = changed.pop()) {
      for (const holder of part.holders) {
        if (holder.isChanged) continue;
        holder.isChanged = true;
        changed.push(holder);
      }
    }
    for (const part of fresh) if (part.isChanged) begin(part);
    for (const part of fresh) if (part.isChanged) fill(part);
  }

  private look(part: Part): void {
    const { key, point, value } = part;
    const examined = this.graph.examine(value, point);
    if (examined.is === 'unstorable') {
      this.replace(part, examined.obstacle);
    } else if (examined.is !== 'whole') {
      part.kind = examined.is;
      try {
        part.members = this.membersOf(part, examined.is);
      } catch (error) {
        // A proxy whose traps throw.
        part.kind = undefined;
        part.isChanged = true;
        part.substitute = noteFor(key, explained(error, this.graph.trail.pathTo(point)));
      }
    }
  }

  /** Puts a note in the place of an object, or what is worth keeping of it beside one. */
  private replace(part: Part, obstacle: unknown): void {
    const { key, value } = part;
    part.isChanged = true;
    const excerpt = excerptOf(value, (constructor) => this.graph.isOfPlatform(constructor));
    if (excerpt === undefined) {
      part.substitute = noteFor(key, obstacle);
      return;
    }
    part.kind = 'excerpt';
    const members = Object.entries(excerpt).map(([name, read]) => this.read(part, name, read));
    part.members = [...members, { key: 'notStored', value: (obstacle as Error).message }];
  }

  private membersOf(part: Part, kind: Remade): Member[] {
    const { value } = part;
    const members: Member[] = [];
    if (kind === 'map') {
      for (const [key, held] of Map.prototype.entries.call(value)) {
        members.push({
          key: this.held(part, key, Step.mapKey),
          value: this.held(part, held, this.graph.trail.mapValue(key)),
        });
      }
    } else if (kind === 'set') {
      for (const held of Set.prototype.values.call(value)) {
        members.push({ key: undefined, value: this.held(part, held, Step.setMember) });
      }
    } else {
      for (const key of [...Object.keys(value), ...symbolKeys(value)]) {
        members.push(this.read(part, key, () => (value as Record<string | symbol, unknown>)[key]));
      }
    }
    return members;
  }

  /** A property or element; if it can't be read, a note says so. */
  private read(part: Part, key: string | symbol, read: () => unknown): Member {
    if (isSymbolOfProcess(key)) {
      part.isChanged = true;
      return { key: String(key), value: `not stored: ${SYMBOL_OF_PROCESS}` };
    }
    const isElement = part.kind === 'array';
    const step = elementOrKey(key, isElement);
    let value: unknown;
    try {
      value = read();
    } catch (error) {
      part.isChanged = true;
      const path = this.graph.trail.pathTo({ steps: [step], parent: part.point });
      return { key, value: noteFor(key, explained(error, path)) };
    }
    return { key, value: this.held(part, value, step, isElement ? part.key : key) };
  }

  /** What a part holds: stored as it is, a part itself, or a note. */
  private held(holder: Part, value: unknown, step: PathStep, key: string | symbol = ''): unknown {
    const point = { steps: [step], parent: holder.point };
    if (typeof value === 'object' && value !== null) {
      const part = this.parts.get(value) ?? this.newPart(value, key, point);
      part.holders.push(holder);
      // Of an earlier survey, which will not come to its holders again.
      if (part.isChanged) holder.isChanged = true;
      return part;
    }
    const obstacle = this.graph.obstacle(value, point);
    if (obstacle === undefined) return value;
    holder.isChanged = true;
    return noteFor(key, obstacle);
  }
}

function resolved(held: unknown): unknown {
  if (!(held instanceof Part)) return held;
  return held.isChanged ? held.substitute : held.value;
}

/** Makes what stands in the place of a part, still empty, because parts may hold each other. */
function begin(part: Part): void {
  const { kind, value } = part;
  switch (kind) {
    case 'object':
      part.substitute = Object.create(Object.getPrototypeOf(value) as object | null) as object;
      return;
    case 'array':
      part.substitute = Object.assign([], { length: (value as unknown[]).length });
      return;
    case 'map':
      part.substitute = new Map();
      return;
    case 'set':
      part.substitute = new Set();
      return;
    case 'excerpt':
      part.substitute = {};
      return;
    case undefined:
    // It is a note.
  }
}

function fill({ kind, members, substitute }: Part): void {
  for (const member of members) {
    const value = resolved(member.value);
    if (kind === 'map') {
      (substitute as Map<unknown, unknown>).set(resolved(member.key), value);
    } else if (kind === 'set') {
      (substitute as Set<unknown>).add(value);
    } else {
      Object.defineProperty(substitute as object, member.key as string | symbol, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
  }
}
