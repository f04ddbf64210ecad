/**
 * Classes of Node and of the web whose instances are nothing but data: they travel as that, and are made again where
 * they arrive. What each is made of is found when the first one is met: naming the class would load parts of Node.
 */

import type * as FileSystem from 'node:fs';

import type { DecodeHooks, EncodeHooks } from './hooks.ts';
import { Unstorable, nameOf, unstorable } from './unstorable.ts';

/** How the instances of one class travel. */
export interface PlatformKind {
  readonly name: string;
  /** Its own properties are none of its data, but what a program gave it besides. */
  readonly isOpaque: boolean;
  /** The class in this process; undefined if this Node has none. */
  find(): Function | undefined;
  /** What an instance is made of. */
  state(value: never, hooks: EncodeHooks): unknown;
  make(state: never, hooks: DecodeHooks): object;
}

type Entry = readonly [name: string, value: string];

function global(name: string): Function | undefined {
  const found = (globalThis as Record<string, unknown>)[name];
  return typeof found === 'function' ? found : undefined;
}

const headers: PlatformKind = {
  name: 'Headers',
  isOpaque: true,
  find: () => global('Headers'),
  state: (value: Headers) => [...value],
  make: (entries: Entry[]) => new Headers(entries as [string, string][]),
};

const formData: PlatformKind = {
  name: 'FormData',
  isOpaque: true,
  find: () => global('FormData'),
  state: (value: FormData) => [...value].map(([name, entry]) => [name, textOf(name, entry)]),
  make(entries: Entry[]) {
    const form = new FormData();
    for (const [name, value] of entries) form.append(name, value);
    return form;
  },
};

function textOf(name: string, entry: unknown): string {
  if (typeof entry === 'string') return entry;
  const reason =
    'files can only be read asynchronously; send their names and bytes beside the other entries';
  throw new Unstorable([`entry ${JSON.stringify(name)}`, nameOf(entry)], reason);
}

const textEncoder: PlatformKind = {
  name: 'TextEncoder',
  isOpaque: false,
  find: () => global('TextEncoder'),
  state: () => undefined,
  make: () => new TextEncoder(),
};

/** Each process has one. */
const subtleCrypto: PlatformKind = {
  name: 'SubtleCrypto',
  isOpaque: true,
  find: () => global('SubtleCrypto'),
  state: () => undefined,
  make: () => globalThis.crypto.subtle,
};

/** The reason of one that has aborted, or the ref that tells of its abort. */
type SignalState = { readonly reason: unknown } | { readonly ref: object };

const abortSignal: PlatformKind = {
  name: 'AbortSignal',
  isOpaque: true,
  find: () => global('AbortSignal'),
  state(value: AbortSignal, hooks): SignalState {
    if (value.aborted) return { reason: value.reason as unknown };
    if (hooks.refOfSignal === undefined) {
      throw unstorable(value, 'only a runtime could tell of its abort');
    }
    return { ref: hooks.refOfSignal(value) };
  },
  make(state: SignalState, hooks) {
    return 'ref' in state ? hooks.signalOf!(state.ref) : AbortSignal.abort(state.reason);
  },
};

/** What Node keeps behind symbols of its own, which each process has others of: by their descriptions. */
type Internals = Record<string, unknown>;

interface StatsState {
  readonly properties: object;
  readonly internals: Internals;
}

/** What `fs.stat` gives: an object of numbers, and of dates that are made of them. */
function stats(name: string, options: FileSystem.StatOptions): PlatformKind {
  return {
    name,
    isOpaque: false,
    find: () => sampleStats(options)?.constructor,
    state(value: object): StatsState {
      const internals: Internals = {};
      for (const symbol of Object.getOwnPropertySymbols(value)) {
        internals[String(symbol)] = (value as Record<symbol, unknown>)[symbol];
      }
      const names = Object.keys(value);
      const own = names.map((key) => [key, (value as Record<string, unknown>)[key]]);
      return { properties: Object.fromEntries(own) as object, internals };
    },
    make({ internals, properties }: StatsState) {
      const ours = sampleStats(options)!;
      const made = Object.create(Object.getPrototypeOf(ours) as object) as Record<symbol, unknown>;
      Object.assign(made, properties);
      for (const symbol of Object.getOwnPropertySymbols(ours)) {
        made[symbol] = internals[String(symbol)];
      }
      return made;
    },
  };
}

/** Any such object of this process. Permissions are about files: what is open already may be asked. */
function sampleStats(options: FileSystem.StatOptions): object | undefined {
  for (const descriptor of [0, 1, 2]) {
    try {
      return fs().fstatSync(descriptor, options);
    } catch {
      // The program has closed it.
    }
  }
  return undefined;
}

const fileStats = stats('Stats', {});
const bigIntFileStats = stats('BigIntStats', { bigint: true });

/** The methods that tell what an entry of a directory is, in the order of Node's numbers for it, from 1. */
const ENTRY_KINDS = [
  'isFile',
  'isDirectory',
  'isSymbolicLink',
  'isFIFO',
  'isSocket',
  'isCharacterDevice',
  'isBlockDevice',
] as const;

const directoryEntry: PlatformKind = {
  name: 'Dirent',
  isOpaque: false,
  find: () => fs().Dirent,
  state: (value: FileSystem.Dirent) => [
    value.name,
    ENTRY_KINDS.findIndex((kind) => value[kind]()) + 1,
    value.parentPath,
  ],
  make([name, kind, parent]: [unknown, number, string]) {
    const Dirent = fs().Dirent as unknown as new (...parts: unknown[]) => object;
    return new Dirent(name, kind, parent);
  },
};

function fs(): typeof FileSystem {
  return process.getBuiltinModule('node:fs');
}

interface TemporalClass {
  from(text: string): object;
}

/** Times and dates: their text says all of them. */
function temporal(name: string): PlatformKind {
  const find = (): Function | undefined => {
    const all = (globalThis as { Temporal?: Record<string, Function> }).Temporal;
    return all?.[name];
  };
  return {
    name,
    isOpaque: true,
    find,
    state: (value: object) => String(value),
    make: (text: string) => (find() as unknown as TemporalClass).from(text),
  };
}

/** By their number on the wire. */
export const PLATFORM_KINDS: readonly PlatformKind[] = [
  headers,
  formData,
  fileStats,
  bigIntFileStats,
  directoryEntry,
  temporal('Instant'),
  temporal('ZonedDateTime'),
  temporal('PlainDateTime'),
  temporal('PlainDate'),
  temporal('PlainTime'),
  temporal('PlainYearMonth'),
  temporal('PlainMonthDay'),
  temporal('Duration'),
  textEncoder,
  subtleCrypto,
  abortSignal,
];

/** The number of the kind of which a prototype is; -1 if it is none of them. */
export function platformKindOf(prototype: object): number {
  const constructor: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  if (typeof constructor !== 'function' || constructor.prototype !== prototype) return -1;
  return PLATFORM_KINDS.findIndex(
    (kind) => kind.name === constructor.name && kind.find() === constructor,
  );
}
