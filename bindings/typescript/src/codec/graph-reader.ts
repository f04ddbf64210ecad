/**
 * Reads one graph of objects: the recursion behind `decoder.ts`. The format is that of `wire.ts`, whose invariants are
 * cited here by number.
 */

import { SerializationError } from '../errors.ts';
import {
  newBoxed,
  newDomException,
  newEaglerayError,
  newError,
  newPlatformObject,
  newRegExp,
  newUrl,
  newView,
  readBigint,
  readWellKnownSymbol,
  restored,
  symbolNamed,
} from './arrived-objects.ts';
import {
  type ArrivingGraph,
  readElements,
  readErrorProperties,
  readMapEntries,
  readProperties,
  readSetMembers,
  readSparseElements,
  setProperty,
} from './arrived-content.ts';
import { type ByteReader, damaged, newArray } from './byte-reader.ts';
import { noteOf } from './obstacle.ts';
import type { ConstructedFunction, DecodeHooks, FunctionSkeleton } from './hooks.ts';
import { type Absence, Missing } from './missing.ts';
import { PLATFORM_KINDS } from './platform-kinds.ts';
import { isErrorBase } from './prototypes.ts';
import { ShapeRing } from './shape-ring.ts';
import type { ArrivedMemory } from './view-groups.ts';
import {
  EXTENDED_WITH_CLASS,
  GLOBAL_NAMES,
  NESTING_LIMIT,
  SHORT_TEXT,
  SHORT_TEXT_END,
  SMALL_INTEGER_END,
  Tag,
  UNIT_NESTING_LIMIT,
} from './wire.ts';

/** An object whose content comes later (invariant 3). */
interface DeferredContent {
  object: object;
  tag: number;
  extended: boolean;
  /** In the place of the class that it should have. */
  missing: Missing | undefined;
  absence: Absence;
}

/** A function, or what stands in its place and takes no values. */
type Assignable = ConstructedFunction | { readonly value: Missing; readonly assign?: undefined };

/** A function whose values come later (invariant 3). */
interface DeferredFunction {
  constructed: Assignable;
  count: number;
  absence: Absence;
}

/** An object's place in the table before it exists. */
const UNFINISHED = Symbol('unfinished');

/** Levels beyond the limit that deferred heads, functions and custom states may add. */
const LEVEL_MAX = NESTING_LIMIT + 8 * UNIT_NESTING_LIMIT;

/** In place of the caller's hooks while there is nothing to read. */
const NO_HOOKS: DecodeHooks = {
  reference: () => {
    throw damaged('a ref is out of place');
  },
  attach: () => {
    throw damaged('an extent is out of place');
  },
};

export class GraphReader implements ArrivingGraph {
  readonly reader: ByteReader;
  private readonly shapes = new ShapeRing();
  /** The id that is being handed to the hook: one for all, because a view takes longer to make than to fill. */
  private readonly id = new Uint8Array(16);
  private objects: unknown[] = [];
  private deferred: DeferredContent[] = [];
  private deferredFunctions: DeferredFunction[] = [];
  private memory: ArrivedMemory | undefined = undefined;
  private hooks: DecodeHooks = NO_HOOKS;
  private level = 0;
  private units = 0;
  private absence: Absence = 'refused';
  /** The first of what was missing where it is counted. */
  private counted: Missing | undefined = undefined;

  constructor(reader: ByteReader) {
    this.reader = reader;
  }

  /** Reads a graph to its end. */
  read(hooks: DecodeHooks, memory: ArrivedMemory | undefined): unknown {
    this.hooks = hooks;
    this.memory = memory;
    const value = this.value();
    if (this.deferred.length > 0) this.flush(0);
    this.completeFunctions();
    return value;
  }

  /** Forgets the graph, whether it was finished or not. */
  clear(): void {
    this.shapes.clear();
    this.objects = [];
    if (this.deferred.length > 0) this.deferred = [];
    if (this.deferredFunctions.length > 0) this.deferredFunctions = [];
    this.memory = undefined;
    this.hooks = NO_HOOKS;
    this.level = 0;
    this.units = 0;
    this.absence = 'refused';
    this.counted = undefined;
  }

  // Values

  /** The next value. */
  value(): unknown {
    const reader = this.reader;
    const tag = reader.byte();
    if (tag < SMALL_INTEGER_END) return tag;
    if (tag < SHORT_TEXT_END) return reader.narrowText(tag - SHORT_TEXT);
    switch (tag) {
      case Tag.Undefined:
        return undefined;
      case Tag.Null:
        return null;
      case Tag.True:
        return true;
      case Tag.False:
        return false;
      case Tag.Int32:
        return reader.int32();
      case Tag.Float64:
        return reader.float64();
      case Tag.Text:
        return reader.text();
      default: {
        if (++this.level > LEVEL_MAX) throw damaged('it nests too deep');
        const value = this.deeper(tag);
        this.level--;
        return value;
      }
    }
  }

  private deeper(tag: number): unknown {
    switch (tag) {
      case Tag.Object: {
        const object = {};
        this.objects.push(object);
        this.record(object, true);
        return object;
      }
      case Tag.Array:
        return this.array();
      case Tag.BackReference:
        return this.shown(this.backReference());
      case Tag.Ref:
        return this.reference('ref');
      case Tag.Actor:
        return this.reference('actor');
      case Tag.Instance: {
        const object = this.newInstance();
        // Without its class, it is a plain object.
        this.record(object, Object.getPrototypeOf(object) === Object.prototype);
        return object;
      }
      case Tag.BigInt64:
        return this.reader.bigInt64();
      case Tag.BigInt:
        return readBigint(this.reader);
      case Tag.WellKnownSymbol:
        return readWellKnownSymbol(this.reader);
      case Tag.RegisteredSymbol:
        return Symbol.for(this.reader.text());
      case Tag.ModuleSymbol:
        return symbolNamed(this.reader.text(), this.hooks);
      case Tag.Define:
        this.definition();
        return this.value();
      case Tag.Deferred:
        return this.deferredObject();
      case Tag.Extended:
        return this.extended(false);
      case Tag.Complete:
        this.completeFunctions();
        return this.value();
      case Tag.Custom:
        return this.customState();
      case Tag.Platform:
        return this.platformValue();
      case Tag.FunctionReference:
        return this.shown(this.functionReference());
      case Tag.FunctionByValue:
        return this.shown(this.functionByValue(false));
      case Tag.ModuleNamespace:
        return this.moduleNamespace();
      case Tag.Global:
        return this.global();
      case Tag.Prototype:
        return this.prototypeObject();
      default: {
        const object = this.head(tag);
        this.objects.push(object);
        this.content(tag, object);
        return object;
      }
    }
  }

  private backReference(): unknown {
    const index = this.reader.count();
    const { objects } = this;
    if (index >= objects.length || objects[index] === UNFINISHED) {
      throw damaged('it refers to an object that is not there');
    }
    return objects[index];
  }

  // Objects

  private classAt(): Function | Missing {
    const found = this.backReference();
    if (typeof found !== 'function' && !(found instanceof Missing)) {
      throw damaged('a class is missing');
    }
    return found;
  }

  private prototypeOf(constructor: Function): object {
    const prototype: unknown = constructor.prototype;
    // That of `Function` is a function.
    if ((typeof prototype !== 'object' && typeof prototype !== 'function') || prototype === null) {
      throw damaged('a class has no prototype');
    }
    return prototype;
  }

  private newInstance(): object {
    const found = this.classAt();
    const object =
      found instanceof Missing ? this.withoutClass(found) : Object.create(this.prototypeOf(found));
    this.objects.push(object);
    return object as object;
  }

  /** Writes of classes that follow: a class is no value of its own here (invariant 2). */
  private definition(): void {
    const { absence, counted } = this;
    this.absence = 'counted';
    const tag = this.reader.byte();
    if (tag === Tag.FunctionReference) this.functionReference();
    else if (tag === Tag.FunctionByValue) this.functionByValue(false);
    else if (tag === Tag.Deferred) this.deferredObject();
    else throw damaged('a class is missing');
    this.absence = absence;
    this.counted = counted;
  }

  // What is missing

  /** A value as it is shown; what is missing is refused, counted or noted. */
  private shown(value: unknown): unknown {
    if (!(value instanceof Missing)) return value;
    if (this.absence === 'refused') throw value.failure;
    if (this.absence === 'noted') return noteOf(value.failure);
    this.counted ??= value;
    return undefined;
  }

  /** What an instance is whose class is missing. */
  private withoutClass(missing: Missing): object {
    this.shown(missing);
    return {};
  }

  /** An object of which only the head stands here (invariant 3). */
  private deferredObject(): unknown {
    const tag = this.reader.byte();
    if (tag === Tag.Extended) return this.extended(true);
    if (tag === Tag.FunctionByValue) return this.functionByValue(true);
    let object: object;
    if (tag === Tag.Instance) {
      object = this.newInstance();
    } else {
      object = this.head(tag);
      this.objects.push(object);
    }
    this.postpone(object, tag, false, undefined);
    return object;
  }

  private postpone(
    object: object,
    tag: number,
    extended: boolean,
    missing: Missing | undefined,
  ): void {
    this.deferred.push({ object, tag, extended, missing, absence: this.absence });
  }

  private extended(isDeferred: boolean): object {
    const flags = this.reader.byte();
    const found = (flags & EXTENDED_WITH_CLASS) === 0 ? undefined : this.classAt();
    const tag = this.reader.byte();
    const object = this.head(tag);
    const missing = found instanceof Missing ? found : undefined;
    // An error without its class is still an error.
    if (missing !== undefined && !isErrorBase(tag)) this.shown(missing);
    if (typeof found === 'function') Object.setPrototypeOf(object, this.prototypeOf(found));
    this.objects.push(object);
    if (isDeferred) this.postpone(object, tag, true, missing);
    else this.extendedContent(tag, object, missing);
    return object;
  }

  private extendedContent(tag: number, object: object, missing: Missing | undefined): void {
    this.content(tag, object);
    readProperties(this, object);
    if (missing !== undefined && isErrorBase(tag)) missing.giveNameTo(object);
  }

  private flush(base: number): void {
    while (this.deferred.length > base) {
      const { object, tag, extended, missing, absence } = this.deferred.pop()!;
      const here = this.absence;
      this.absence = absence;
      if (extended) this.extendedContent(tag, object, missing);
      else this.content(tag, object);
      this.absence = here;
    }
  }

  /** Makes an object without its content. */
  private head(tag: number): object {
    const reader = this.reader;
    switch (tag) {
      case Tag.Object:
        return {};
      case Tag.NullObject:
        return Object.create(null) as object;
      case Tag.Array:
      case Tag.SparseArray:
        return [];
      case Tag.Int32Array:
        return reader.packedInt32(reader.countOf(4));
      case Tag.Float64Array:
        return reader.packedFloat64(reader.countOf(8));
      case Tag.Map:
        return new Map();
      case Tag.Set:
        return new Set();
      case Tag.Date:
        return new Date(reader.float64());
      case Tag.RegExp:
        return newRegExp(reader.text(), reader.text());
      case Tag.Boxed:
        return newBoxed(this.value());
      case Tag.View:
        return this.view();
      case Tag.Memory:
        return this.arrived().bufferOf(reader.count());
      case Tag.Url:
        return newUrl(reader.text());
      case Tag.UrlSearchParams:
        return new URLSearchParams(reader.text());
      case Tag.Error:
        return newError(reader.byte());
      case Tag.EaglerayError:
        return newEaglerayError(reader.text());
      case Tag.DomException:
        return newDomException(reader.text(), reader.text());
      default:
        throw damaged(`the tag ${tag} is unknown`);
    }
  }

  private content(tag: number, object: object): void {
    switch (tag) {
      case Tag.Object:
      case Tag.NullObject:
      case Tag.Instance:
        // An extended object may have a class.
        this.record(object, Object.getPrototypeOf(object) === Object.prototype);
        return;
      case Tag.Array:
        readElements(this, object as unknown[]);
        return;
      case Tag.SparseArray:
        readSparseElements(this, object as unknown[]);
        return;
      case Tag.Map:
        readMapEntries(this, object as Map<unknown, unknown>);
        return;
      case Tag.Set:
        readSetMembers(this, object as Set<unknown>);
        return;
      case Tag.Error:
      case Tag.EaglerayError:
      case Tag.DomException:
        this.errorProperties(object);
        return;
      default:
    }
  }

  private record(object: object, isPlain: boolean): void {
    const slot = this.reader.count();
    let keys: readonly string[] | undefined;
    let special: boolean;
    if (slot === 0) {
      const added = this.newKeys();
      // Names such as `__proto__` and `toString` mean something to every object.
      special = added.some((key) => key in Object.prototype);
      this.shapes.add(added, special);
      keys = added;
    } else {
      keys = this.shapes.at(slot - 1);
      special = this.shapes.isSpecial(slot - 1);
      if (keys === undefined) throw damaged('a list of keys is missing');
    }
    if (isPlain && !special) {
      for (let index = 0; index < keys.length; index++) {
        (object as Record<string, unknown>)[keys[index]!] = this.value();
      }
    } else {
      for (let index = 0; index < keys.length; index++) {
        setProperty(object, keys[index]!, this.value());
      }
    }
  }

  private newKeys(): string[] {
    const count = this.reader.countOf(2);
    const keys: string[] = [];
    for (let index = 0; index < count; index++) keys.push(this.reader.key());
    return keys;
  }

  private array(): unknown[] {
    const count = this.reader.countOf(1);
    const array = newArray<unknown>(count);
    this.objects.push(array);
    for (let index = 0; index < count; index++) array[index] = this.value();
    return array;
  }

  private errorProperties(error: object): void {
    const { absence } = this;
    this.absence = 'noted';
    readErrorProperties(this, error);
    this.absence = absence;
  }

  // Built-in objects

  private view(): NodeJS.ArrayBufferView {
    const reader = this.reader;
    const number = reader.byte();
    const group = reader.count();
    const byteOffset = reader.count();
    const length = reader.count();
    const { buffer, start } = this.arrived().segmentOf(group, byteOffset);
    return newView(number, buffer, byteOffset - start, length);
  }

  private arrived(): ArrivedMemory {
    if (this.memory === undefined) throw damaged('the memory of a view is missing');
    return this.memory;
  }

  private global(): object {
    const name = GLOBAL_NAMES[this.reader.count()];
    const found = name === undefined ? undefined : (globalThis as Record<string, unknown>)[name];
    if (typeof found !== 'object' || found === null) throw damaged('a built-in object is missing');
    this.objects.push(found);
    return found;
  }

  private prototypeObject(): unknown {
    const found = this.classAt();
    const prototype = found instanceof Missing ? found : this.prototypeOf(found);
    this.objects.push(prototype);
    return this.shown(prototype);
  }

  // Refs, functions, custom states

  private reference(kind: 'ref' | 'actor'): object {
    const { bytes } = this.reader;
    const position = this.reader.take(16);
    const { id } = this;
    for (let index = 0; index < 16; index++) id[index] = bytes[position + index]!;
    const object = this.hooks.reference(kind, id);
    this.objects.push(object);
    return object;
  }

  private functionReference(): Function | Missing {
    const reader = this.reader;
    const key = reader.text();
    const moduleUrl = reader.text();
    const exportName = reader.text();
    const { value } = this.construct({ kind: 'reference', key, moduleUrl, exportName });
    this.objects.push(value);
    return value;
  }

  private functionByValue(isDeferred: boolean): Function | Missing {
    const reader = this.reader;
    const key = reader.text();
    const definition = reader.text();
    const count = reader.countOf(1);
    const labels: string[] = [];
    for (let index = 0; index < count; index++) labels.push(reader.text());
    const constructed = this.construct({ kind: 'value', key, definition, labels });
    const { value } = constructed;
    const index = this.objects.push(value) - 1;
    if (isDeferred) {
      this.deferredFunctions.push({ constructed, count, absence: this.absence });
      return value;
    }
    const missing = this.functionValues(constructed, count);
    if (missing === undefined) return value;
    this.objects[index] = missing;
    return missing;
  }

  /** Reads the values of a function. If one of them is missing and that is no error, the function is missing itself. */
  private functionValues(constructed: Assignable, count: number): Missing | undefined {
    const base = this.beginUnit();
    const { absence, counted } = this;
    if (absence !== 'refused') this.absence = 'counted';
    this.counted = undefined;
    const values: unknown[] = [];
    for (let index = 0; index < count; index++) values.push(this.value());
    this.endUnit(base);
    const missing = this.counted;
    this.absence = absence;
    this.counted = counted;
    if (missing === undefined) constructed.assign?.(values);
    return missing;
  }

  private completeFunctions(): void {
    while (this.deferredFunctions.length > 0) {
      const { constructed, count, absence } = this.deferredFunctions.pop()!;
      const here = this.absence;
      this.absence = absence;
      this.functionValues(constructed, count);
      this.absence = here;
    }
  }

  private construct(skeleton: FunctionSkeleton): Assignable {
    const hooks = this.hooks;
    if (hooks.constructFunction === undefined) {
      throw new SerializationError("the value holds a function, which can't be made here");
    }
    try {
      return hooks.constructFunction(skeleton);
    } catch (error) {
      return { value: new Missing(error, skeleton) };
    }
  }

  private moduleNamespace(): unknown {
    const url = this.reader.text();
    const namespace = this.namespaceOf(url);
    this.objects.push(namespace);
    return this.shown(namespace);
  }

  private namespaceOf(url: string): object {
    try {
      const namespace = this.hooks.moduleNamespace?.(url);
      if (namespace !== undefined) return namespace;
    } catch (error) {
      return new Missing(error);
    }
    throw new SerializationError(`the value holds the module ${url}, which can't be loaded here`);
  }

  private customState(): unknown {
    const constructor = this.classAt();
    const index = this.objects.push(UNFINISHED) - 1;
    const base = this.beginUnit();
    const state = this.value();
    this.endUnit(base);
    this.completeFunctions();
    // A missing class is its own instance: whoever is shown it hears why.
    const instance = constructor instanceof Missing ? constructor : restored(constructor, state);
    this.objects[index] = instance;
    return this.shown(instance);
  }

  private platformValue(): object {
    const kind = PLATFORM_KINDS[this.reader.count()];
    if (kind === undefined) throw damaged('an object of Node is of an unknown kind');
    const index = this.objects.push(UNFINISHED) - 1;
    const base = this.beginUnit();
    const state = this.value();
    this.endUnit(base);
    const object = newPlatformObject(kind, state, this.hooks);
    this.objects[index] = object;
    readProperties(this, object);
    return object;
  }

  private beginUnit(): number {
    if (++this.units > UNIT_NESTING_LIMIT) throw damaged('it nests too deep');
    return this.deferred.length;
  }

  private endUnit(base: number): void {
    if (this.deferred.length > base) this.flush(base);
    this.units--;
  }
}
