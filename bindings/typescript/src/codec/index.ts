/**
 * Values to bytes and back: the one codec for everything that crosses processes.
 *
 * Kept: all that structured clone keeps, with identity and cycles, and beyond it errors with class and properties,
 * class instances, functions and classes (as the hooks describe them), refs, actor handles, URLs, `Buffer`s,
 * prototypes of `null`, registered and well-known symbols, as values and as keys, and symbols of properties.
 *
 * Not kept, as in structured clone: that an object is frozen or sealed, that a property can't be enumerated or is an
 * accessor (getters are read), a regular expression's `lastIndex`, that a buffer is resizable. A URL and its
 * `searchParams` are independent afterwards.
 *
 * Everything else is a `SerializationError` with the path to it; nothing is dropped in silence. Only errors travel
 * whatever they hold, because they say what went wrong. They keep all their own properties, also those that can't be
 * enumerated. In the place of what can't be stored in them, however deep inside, is a text that says why (a cause, or an
 * error among `errors`: a `SerializationError`), and in the place of a class that can't travel or can't be loaded where
 * the error arrives is the nearest base that can.
 */

export { Decoder, requiredModules } from './decoder.ts';
export { Encoder } from './encoder.ts';
export {
  type ConstructedFunction,
  type DecodeHooks,
  type EncodeHooks,
  type FunctionByValue,
  type FunctionDescription,
  type FunctionReference,
  type FunctionSkeleton,
  type LabelledValue,
  type Reference,
  ValuePath,
} from './hooks.ts';
export { noteSnapshot } from './snapshots.ts';
export { unstorable } from './unstorable.ts';
export type { OutOfBand } from './view-groups.ts';
export { DESERIALIZE, OUT_OF_BAND_MIN, SERIALIZE } from './wire.ts';
