/**
 * The envelope in bytes: what an encoder writes and a decoder reads.
 *
 * ```
 * envelope  flags(1) value [trailer trailerLength(4, little endian)]
 * flags     bit 0: the trailer lists modules; bit 1: the trailer lists memory
 * trailer   [count moduleUrl*] [count memory*]
 * memory    segmentCount (start length storage(1) (extentIndex | bytes))*
 * value     tag(1) and what the tag asks for
 * ```
 * Counts, lengths and indexes are LEB128 numbers up to 2^53. Texts are a length, doubled and plus 1 if the text needs
 * two bytes a character, and then Latin-1 bytes or UTF-16 little endian: both keep lone surrogates.
 *
 * Invariants:
 * 1. Every object gets the next index when its tag is read, before its content: both sides count alike, and a later
 *    occurrence is `BackReference index`.
 * 2. A class comes before its instances: `Define` writes a function without making it a value.
 * 3. What nests deeper than `NESTING_LIMIT` is announced with `Deferred`, and its content follows at the end of the
 *    enclosing unit (the envelope, the values of a function, a custom state), last announced first. So neither side
 *    recurses deeper than the limit, and the objects of a unit are complete when it ends.
 *    The values of deferred functions follow later, because functions only run when all is there: after the objects at
 *    the end of the envelope. Custom states run functions earlier. So before one is read, `Complete` brings the values
 *    of all functions that were deferred until then, and at its end follow those that were deferred in it.
 * 4. A process reads only what a process with the same version of eagleray wrote: there is no version negotiation. Files that
 *    hold envelopes say their format: what changes here changes that (`runtime/stored-values.ts`).
 */

/** Views, and the memory they share, of this many bytes and more are handed over out of band. */
export const OUT_OF_BAND_MIN = 64 * 1024;

/** How deep values nest before their content is deferred (invariant 3). Far below what any stack allows. */
export const NESTING_LIMIT = 100;

/**
 * How deep custom states may hold objects with custom state. These can't be deferred, because the inner one must be
 * complete before the outer one.
 */
export const UNIT_NESTING_LIMIT = 100;

/** How many record shapes (lists of keys) both sides remember, in a ring. */
export const SHAPE_COUNT = 16;

/** Longer lists of keys are not remembered: they are dictionaries rather than records. */
export const SHAPE_KEYS_MAX = 64;

export const HAS_MODULES = 1;
export const HAS_MEMORY = 2;

export const STORED_OUT_OF_BAND = 1;
export const STORED_SHAREABLE = 2;
export const STORED_SHARED_OBJECT = 4;

/** Tags below are the integers 0 to 127 themselves. */
export const SMALL_INTEGER_END = 0x80;
/** From here on, 32 tags are Latin-1 texts of 0 to 31 characters. */
export const SHORT_TEXT = 0x80;
export const SHORT_TEXT_END = 0xa0;

export const Tag = {
  Undefined: 0xa0,
  Null: 0xa1,
  True: 0xa2,
  False: 0xa3,
  Int32: 0xa4,
  Float64: 0xa5,
  Text: 0xa6,
  BigInt64: 0xa7,
  /** Sign and hexadecimal digits as text. */
  BigInt: 0xa8,
  WellKnownSymbol: 0xa9,
  RegisteredSymbol: 0xaa,
  /** A text of the describer's: a symbol that a module of the receiver has. */
  ModuleSymbol: 0xab,

  BackReference: 0xb0,
  Define: 0xb1,
  Deferred: 0xb2,
  /** flags, [class index], an object, and after its content a list of further properties. */
  Extended: 0xb3,
  /** The values of the functions that were deferred, and then a value. */
  Complete: 0xb4,
  /** Before the key of a further property that can't be enumerated. */
  Hidden: 0xb5,

  Object: 0xb8,
  NullObject: 0xb9,
  Array: 0xba,
  SparseArray: 0xbb,
  Int32Array: 0xbc,
  Float64Array: 0xbd,
  Map: 0xbe,
  Set: 0xbf,
  Error: 0xc0,
  EaglerayError: 0xc1,
  DomException: 0xc2,
  Date: 0xc3,
  RegExp: 0xc4,
  Boxed: 0xc5,
  View: 0xc6,
  Memory: 0xc7,
  Url: 0xc8,
  UrlSearchParams: 0xc9,
  /** class index and record: an instance that has nothing but properties. */
  Instance: 0xca,
  /** class index and state. */
  Custom: 0xcb,
  /** number of the kind and state: an object of Node or of the web that is nothing but data. */
  Platform: 0xcc,

  Ref: 0xd0,
  Actor: 0xd1,
  FunctionReference: 0xd2,
  FunctionByValue: 0xd3,
  /** An address: of what `import * as` gives, or, as `require node:fs`, of what `require` gives of a module of Node. */
  ModuleNamespace: 0xd4,
  Global: 0xd5,
  /** class index: the `prototype` of a class or function. */
  Prototype: 0xd6,
} as const;

export const EXTENDED_WITH_CLASS = 1;

/** Views by their number on the wire. A name that this Node lacks can't be decoded. */
export const VIEW_NAMES = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'Float16Array',
  'DataView',
  'Buffer',
] as const;

/** Built-in error classes by their number on the wire. */
export const ERROR_NAMES = [
  'Error',
  'TypeError',
  'RangeError',
  'SyntaxError',
  'ReferenceError',
  'EvalError',
  'URIError',
  'AggregateError',
  'SuppressedError',
] as const;

/**
 * Properties that most errors have without showing them in `Object.keys`, by their number on the wire. Those of errors
 * are a count, and each `number value`, or `HIDDEN_PROPERTY key value`, or `SHOWN_PROPERTY key value`.
 */
export const HIDDEN_ERROR_KEYS = [
  'stack',
  'message',
  'cause',
  'errors',
  'name',
  'code',
  'error',
  'suppressed',
] as const;

/** A property of an error that can't be enumerated and has no number. */
export const HIDDEN_PROPERTY = 0xfe;
/** A property of an error that can be enumerated. */
export const SHOWN_PROPERTY = 0xff;

/** Symbols that every realm has, by their number on the wire. */
export const WELL_KNOWN_SYMBOLS: readonly symbol[] = [
  Symbol.asyncIterator,
  Symbol.hasInstance,
  Symbol.isConcatSpreadable,
  Symbol.iterator,
  Symbol.match,
  Symbol.matchAll,
  Symbol.replace,
  Symbol.search,
  Symbol.species,
  Symbol.split,
  Symbol.toPrimitive,
  Symbol.toStringTag,
  Symbol.unscopables,
  Symbol.dispose,
  Symbol.asyncDispose,
];

/** Built-in objects that stand for the same object of the receiver's process, by their number on the wire. */
export const GLOBAL_NAMES = [
  'globalThis',
  'Math',
  'JSON',
  'Reflect',
  'Atomics',
  'Intl',
  'WebAssembly',
  'console',
  'process',
  'performance',
  'crypto',
  'navigator',
] as const;

/** `static [SERIALIZE](instance)` of a class gives the state that is stored in place of the instance. */
export const SERIALIZE: unique symbol = Symbol.for('eagleray.serialize') as never;
/** `static [DESERIALIZE](state)` of a class makes the instance again. */
export const DESERIALIZE: unique symbol = Symbol.for('eagleray.deserialize') as never;
