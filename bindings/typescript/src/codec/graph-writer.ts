/**
 * Writes one graph of objects: the recursion behind `encoder.ts`. The format is that of `wire.ts`, whose invariants are
 * cited here by number.
 */

import { types } from 'node:util';

import { isNative } from '../describe-value.ts';
import { arrayTag, globalNumber, hasBrand, unboxed, writeHead } from './built-in-objects.ts';
import type { ByteWriter } from './byte-writer.ts';
import {
  propertyOf,
  writeElements,
  writeMapEntries,
  writeProperties,
  writeSetMembers,
  writeSparseElements,
} from './collections.ts';
import { writeErrorProperties } from './error-properties.ts';
import type { DeferredContent, DeferredFunction } from './deferred.ts';
import { type Examined, type Graph, type NewProbe, type Probe, WHOLE } from './graph.ts';
import {
  type EncodeHooks,
  type FunctionDescription,
  type LabelledValue,
  type Reference,
  ValuePath,
} from './hooks.ts';
import { IdentityTable } from './identity-table.ts';
import {
  furtherKeys,
  hasOnlyElements,
  hasOnlyKeys,
  hiddenKeys,
  splitKeys,
  symbolKeys,
} from './own-properties.ts';
import { SYMBOL_OF_PROCESS, isSimple, writeBigint, writeSymbol } from './primitives.ts';
import { type Classes, isErrorBase, type Plan, Plans, refuseHidden } from './prototypes.ts';
import { Unstorable, unstorable } from './unstorable.ts';
import { PLATFORM_KINDS } from './platform-kinds.ts';
import { IMPORT_META, isImportMeta } from './remedies.ts';
import { Remains } from './remains.ts';
import { ShapeRing } from './shape-ring.ts';
import { type PathStep, Step, Trail, type TrailPoint } from './trail.ts';
import { ViewGroups } from './view-groups.ts';
import { EXTENDED_WITH_CLASS, NESTING_LIMIT, SERIALIZE, Tag, UNIT_NESTING_LIMIT } from './wire.ts';

const NO_KEYS: readonly string[] = [];

/** Between two graphs. Nothing is ever added to it. */
const NO_REFERENCES: Reference[] = [];

export class GraphWriter implements Graph {
  readonly writer: ByteWriter;
  /** Where the writer is, or was when it threw. */
  readonly trail = new Trail();
  /** The memory behind the graph's views. */
  readonly views = new ViewGroups();
  /** The modules that the graph needs; undefined if there are none. */
  modules: Set<string> | undefined = undefined;

  private readonly hooks: EncodeHooks;
  private readonly newProbe: NewProbe;
  private probe: Probe | undefined = undefined;
  /** Classes that packages have made. */
  private ofPackages: WeakSet<Function> | undefined = undefined;
  private remains: Remains | undefined = undefined;
  private readonly classes: Classes = {
    describe: (constructor) => this.describe(constructor, true),
    isOfPlatform: (constructor) => this.isOfPlatform(constructor),
    isStorable: (constructor) => this.isStorable(constructor),
    weakCollections: (constructor) => this.hooks.weakCollections?.(constructor) ?? [],
  };
  protected readonly plans = new Plans();
  protected readonly identities = new IdentityTable();
  private readonly shapes = new ShapeRing();
  private references: Reference[] = NO_REFERENCES;
  private deferred: DeferredContent[] = [];
  private deferredFunctions: DeferredFunction[] = [];
  private incomplete: Set<object> | undefined = undefined;
  /** The graph has functions. */
  private hasFunctions = false;
  private level = 0;
  private units = 0;

  /** @param newProbe makes what finds out whether a value can be stored */
  constructor(hooks: EncodeHooks, writer: ByteWriter, newProbe: NewProbe) {
    this.hooks = hooks;
    this.writer = writer;
    this.newProbe = newProbe;
  }

  /** Writes a graph and appends its refs and handles to `references`. */
  write(value: unknown, root: string, isHolder: boolean, references: Reference[]): void {
    this.trail.begin(root, isHolder);
    this.references = references;
    this.value(value);
    this.finish();
  }

  protected finish(): void {
    if (this.deferred.length > 0) this.flush(0);
    this.completeFunctions();
  }

  /** Forgets the graph, whether it was finished or not. */
  clear(): void {
    this.identities.clear();
    this.shapes.clear();
    this.views.clear();
    this.trail.clear();
    // Whoever encodes may let go of the list, and of what it refers to, long before the next graph.
    this.references = NO_REFERENCES;
    this.modules = undefined;
    this.incomplete = undefined;
    this.hasFunctions = false;
    if (this.remains !== undefined) {
      this.remains = undefined;
      this.probe!.forget();
    }
    if (this.deferred.length > 0) this.deferred = [];
    if (this.deferredFunctions.length > 0) this.deferredFunctions = [];
    this.level = 0;
    this.units = 0;
  }

  // Values

  protected value(value: unknown): void {
    const writer = this.writer;
    switch (typeof value) {
      case 'number':
        writer.number(value);
        return;
      case 'string':
        writer.textValue(value);
        return;
      case 'object':
        if (value === null) writer.byte(Tag.Null);
        else this.object(value);
        return;
      case 'boolean':
        writer.byte(value ? Tag.True : Tag.False);
        return;
      case 'undefined':
        writer.byte(Tag.Undefined);
        return;
      case 'bigint':
        writeBigint(writer, value);
        return;
      case 'symbol':
        this.symbol(value);
        return;
      default:
        if (!this.backReference(value as Function)) this.function(value as Function);
    }
  }

  /**
   * Writes a symbol.
   *
   * @param holder the object of which it is a key.
   */
  symbol(value: symbol, holder?: object): void {
    if (writeSymbol(this.writer, value)) return;
    const described = this.hooks.describeSymbol?.(value, holder);
    if (described === undefined) throw unstorable(value, SYMBOL_OF_PROCESS);
    for (const url of described.modules) (this.modules ??= new Set()).add(url);
    this.writer.byte(Tag.ModuleSymbol);
    this.writer.text(described.text);
  }

  /** A value inside another. The step is only noted where an error or a reference may follow. */
  child(value: unknown, step: PathStep): void {
    switch (typeof value) {
      case 'number':
        this.writer.number(value);
        return;
      case 'string':
        this.writer.textValue(value);
        return;
      case 'boolean':
        this.writer.byte(value ? Tag.True : Tag.False);
        return;
      default:
        this.trail.push(step);
        this.level++;
        this.value(value);
        this.level--;
        this.trail.depth--;
    }
  }

  // Objects

  protected object(value: object): void {
    if (this.backReference(value)) return;
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === Object.prototype) {
      this.plainObject(value, Tag.Object);
    } else if (prototype === Array.prototype && Array.isArray(value)) {
      this.array(value);
    } else if (prototype === null) {
      this.plainObject(value, Tag.NullObject);
    } else {
      this.unusualObject(value, prototype);
    }
  }

  /** Writes a reference to an object that was written before; false if it was not. */
  private backReference(value: object): boolean {
    const index = this.identities.indexOf(value);
    if (index === -1) return false;
    if (this.incomplete?.has(value)) {
      throw unstorable(value, 'its custom state holds the instance itself');
    }
    this.writer.byte(Tag.BackReference);
    this.writer.count(index);
    return true;
  }

  private plainObject(value: object, tag: number): void {
    if (Object.getOwnPropertySymbols(value).length > 0) {
      this.objectWithSymbols(value, tag);
      return;
    }
    const keys = Object.keys(value);
    if (tag === Tag.NullObject && isImportMeta(value, (fn) => this.isOfPlatform(fn))) {
      throw unstorable(value, IMPORT_META);
    }
    const shape = this.shapes.find(keys);
    // Not asked of each row of a table: what has the shape of an object before it is a module only after a copy of it,
    // and then its functions have been written.
    if ((shape === -1 || this.hasFunctions) && this.builtInModule(value)) return;
    if (shape === -1 && this.prototypeObject(value)) return;
    this.identities.add(value);
    if (this.level >= NESTING_LIMIT) {
      this.defer(value, tag, keys, undefined);
      return;
    }
    this.writer.byte(tag);
    this.recordOf(value, keys, shape);
  }

  private objectWithSymbols(value: object, tag: number): void {
    if (this.standIn(value) || this.prototypeObject(value)) return;
    if (types.isArgumentsObject(value)) {
      throw unstorable(value, 'send an array instead: [...arguments]');
    }
    const symbols = symbolKeys(value);
    this.container(value, tag, Object.keys(value), symbols.length === 0 ? undefined : symbols);
  }

  /** Objects that are written by name: module namespaces and built-in objects such as `Math`. */
  private standIn(value: object): boolean {
    // Under vitest and other loaders that transform modules, a namespace only looks like one.
    const isNamespace = types.isModuleNamespaceObject(value);
    if (isNamespace || Object.prototype.toString.call(value) === '[object Module]') {
      const url = this.hooks.moduleUrl?.(value);
      if (url !== undefined) {
        this.module(value, url);
        return true;
      }
      if (isNamespace) {
        throw unstorable(value, 'a module can only be sent if the receiver can import it');
      }
    }
    const global = globalNumber(value);
    if (global === undefined) return this.builtInModule(value);
    this.identities.add(value);
    this.writer.byte(Tag.Global);
    this.writer.count(global);
    return true;
  }

  /** Writes a module of Node by its name; false if it is none. */
  private builtInModule(value: object): boolean {
    const url = this.hooks.builtInModuleUrl?.(value);
    if (url === undefined) return false;
    this.module(value, url);
    return true;
  }

  private module(value: object, url: string): void {
    this.identities.add(value);
    (this.modules ??= new Set()).add(url);
    this.writer.byte(Tag.ModuleNamespace);
    this.writer.text(url);
  }

  /** Writes the prototype of a class or function by that; false if the object is something else. */
  private prototypeObject(value: object): boolean {
    if (!Object.hasOwn(value, 'constructor')) return false;
    const constructor: unknown = Object.getOwnPropertyDescriptor(value, 'constructor')!.value;
    if (typeof constructor !== 'function' || constructor.prototype !== value) return false;
    // What the class holds may be its prototype.
    if (this.defined(constructor, value)) return true;
    const index = this.identities.indexOf(constructor);
    this.identities.add(value);
    this.writer.byte(Tag.Prototype);
    this.writer.count(index);
    return true;
  }

  private array(value: unknown[]): void {
    if (Object.getOwnPropertySymbols(value).length > 0 || !hasOnlyElements(value)) {
      this.unusualArray(value, undefined);
      return;
    }
    const tag = arrayTag(value);
    if (tag === Tag.SparseArray) {
      this.unusualArray(value, undefined);
      return;
    }
    this.identities.add(value);
    // Arrays of numbers have nothing inside that could nest further.
    if (tag === Tag.Array && this.level >= NESTING_LIMIT) {
      this.defer(value, tag, NO_KEYS, undefined);
      return;
    }
    this.writer.byte(tag);
    this.content(tag, value, NO_KEYS);
  }

  /** An array with holes, named properties or a class of its own. */
  private unusualArray(value: unknown[], constructor: Function | undefined): void {
    const { indexes, names } = splitKeys(value);
    const symbols = symbolKeys(value);
    const hidden = constructor === undefined ? [] : hiddenKeys(value, Tag.Array);
    const all = [...names, ...symbols, ...hidden];
    const further = all.length === 0 ? undefined : all;
    const tag = indexes.length === value.length ? Tag.Array : Tag.SparseArray;
    this.container(value, tag, indexes, further, constructor);
  }

  protected unusualObject(value: object, prototype: object): void {
    let plan = this.plans.get(prototype);
    if (plan === undefined || plan.class !== undefined) {
      const reference = this.hooks.reference(value);
      if (reference !== undefined) {
        this.reference(value, reference);
        return;
      }
      if (plan === undefined) {
        if (this.standIn(value) || this.prototypeObject(value)) return;
        plan = this.plans.make(prototype, value, this.classes);
      }
    }
    if (plan.custom) this.customState(value, plan.class!);
    else if (plan.kind !== -1) this.platformValue(value, plan.kind);
    else this.planned(value, plan);
  }

  private planned(value: object, plan: Plan): void {
    if (!hasBrand(value, plan.base)) {
      if (this.prototypeObject(value)) return;
      throw unstorable(value, 'it has the prototype of a built-in class, but is no instance of it');
    }
    if (plan.hiding.length > 0) {
      this.noteClass(plan.class!);
      refuseHidden(value, plan.hiding);
    }
    switch (plan.base) {
      case Tag.Object:
        if (plan.class === undefined) this.plainObject(value, Tag.Object);
        else this.instance(value, plan.class);
        return;
      case Tag.Array:
        this.unusualArray(value as unknown[], plan.class);
        return;
      default: {
        if (isErrorBase(plan.base) && this.prototypeObject(value)) return;
        // Errors write all their properties themselves.
        const further = isErrorBase(plan.base)
          ? NO_KEYS
          : furtherKeys(value, plan.base, plan.class !== undefined);
        this.container(
          value,
          plan.base,
          NO_KEYS,
          further.length === 0 ? undefined : further,
          plan.class,
        );
      }
    }
  }

  private instance(value: object, constructor: Function): void {
    const keys = Object.keys(value);
    if (!hasOnlyKeys(value, keys)) {
      if (this.prototypeObject(value)) return;
      const further = [...symbolKeys(value), ...hiddenKeys(value, Tag.Object)];
      this.container(value, Tag.Object, keys, further, constructor);
      return;
    }
    if (this.defined(constructor, value)) return;
    this.noteClass(constructor);
    const shape = this.shapes.find(keys);
    if (shape === -1 && this.prototypeObject(value)) return;
    const index = this.identities.indexOf(constructor);
    this.identities.add(value);
    const deferring = this.level >= NESTING_LIMIT;
    if (deferring) this.writer.byte(Tag.Deferred);
    this.writer.byte(Tag.Instance);
    this.writer.count(index);
    if (deferring) this.postpone(value, Tag.Instance, keys, undefined);
    else this.recordOf(value, keys, shape);
  }

  /** Writes any object that has content: head, then content, now or later. */
  private container(
    value: object,
    tag: number,
    keys: readonly string[],
    further: readonly (string | symbol)[] | undefined,
    constructor?: Function,
  ): void {
    if (constructor !== undefined) {
      if (this.defined(constructor, value)) return;
      this.noteClass(constructor);
    }
    const classIndex = constructor === undefined ? -1 : this.identities.indexOf(constructor);
    this.identities.add(value);
    const writer = this.writer;
    const deferring = this.level >= NESTING_LIMIT;
    if (deferring) writer.byte(Tag.Deferred);
    if (further !== undefined || classIndex !== -1) {
      writer.byte(Tag.Extended);
      writer.byte(classIndex === -1 ? 0 : EXTENDED_WITH_CLASS);
      if (classIndex !== -1) writer.count(classIndex);
    }
    writer.byte(tag);
    this.head(tag, value);
    if (deferring) {
      // Decoding has to know when the further properties end, so an extended object always has a list of them.
      this.postpone(value, tag, keys, further ?? (classIndex === -1 ? undefined : NO_KEYS));
      return;
    }
    this.content(tag, value, keys);
    if (further !== undefined || classIndex !== -1)
      this.furtherProperties(value, further ?? NO_KEYS);
  }

  /**
   * Makes sure that a class is written before its instance (invariant 2). True if the instance has been written with
   * it, because the class holds it.
   */
  protected defined(constructor: Function, value: object, isNeeded = false): boolean {
    if (this.identities.indexOf(constructor) !== -1) return false;
    this.writer.byte(Tag.Define);
    this.function(constructor, true, isNeeded);
    return this.backReference(value);
  }

  /** Lets errors about what an instance holds know that its class is a package's. */
  private noteClass(constructor: Function): void {
    if (this.ofPackages?.has(constructor) === true) this.trail.enterPackage();
  }

  private defer(
    value: object,
    tag: number,
    keys: readonly string[],
    further: readonly (string | symbol)[] | undefined,
  ): void {
    this.writer.byte(Tag.Deferred);
    this.writer.byte(tag);
    this.postpone(value, tag, keys, further);
  }

  private postpone(
    value: object,
    tag: number,
    keys: readonly string[],
    further: readonly (string | symbol)[] | undefined,
  ): void {
    this.deferred.push({ value, tag, keys, further, point: this.trail.mark() });
  }

  /** Writes the contents that were deferred since there were `base` of them. */
  private flush(base: number): void {
    while (this.deferred.length > base) {
      const next = this.deferred.pop()!;
      this.trail.resume(next.point);
      this.content(next.tag, next.value, next.keys);
      if (next.further !== undefined) writeProperties(this, next.value, next.further);
    }
  }

  // Heads and contents

  private head(tag: number, value: object): void {
    if (tag === Tag.Boxed) this.value(unboxed(value));
    else writeHead(tag, value, this.writer, this.views);
  }

  protected content(tag: number, value: object, keys: readonly string[]): void {
    switch (tag) {
      case Tag.Object:
      case Tag.NullObject:
      case Tag.Instance:
        this.record(value, keys);
        return;
      case Tag.Array:
        writeElements(this, value as unknown[]);
        return;
      case Tag.SparseArray:
        writeSparseElements(this, value as unknown[], keys);
        return;
      case Tag.Int32Array:
        this.writer.count((value as number[]).length);
        this.writer.packedInt32(value as number[]);
        return;
      case Tag.Float64Array:
        this.writer.count((value as number[]).length);
        this.writer.packedFloat64(value as number[]);
        return;
      case Tag.Map:
        writeMapEntries(this, value as Map<unknown, unknown>);
        return;
      case Tag.Set:
        writeSetMembers(this, value as Set<unknown>);
        return;
      case Tag.Error:
      case Tag.EaglerayError:
      case Tag.DomException:
        this.errorProperties(value as Error, tag);
        return;
      default:
    }
  }

  protected furtherProperties(value: object, keys: readonly (string | symbol)[]): void {
    writeProperties(this, value, keys);
  }

  private record(value: object, keys: readonly string[]): void {
    this.recordOf(value, keys, this.shapes.find(keys));
  }

  /** @param shape the place of the keys among the shapes, or -1. */
  protected recordOf(value: object, keys: readonly string[], shape: number): void {
    const writer = this.writer;
    if (shape !== -1) {
      writer.count(shape + 1);
    } else {
      this.shapes.add(keys);
      writer.byte(0);
      writer.count(keys.length);
      for (let index = 0; index < keys.length; index++) writer.text(keys[index]!);
    }
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index]!;
      this.child(propertyOf(this, value, key), key);
    }
  }

  protected errorProperties(error: Error, tag: number): void {
    writeErrorProperties(this, error, tag, this.plans.get(Object.getPrototypeOf(error) as object));
  }

  isOfPlatform(constructor: Function): boolean {
    return this.hooks.isOfPlatform?.(constructor) ?? isNative(constructor);
  }

  // What can be stored

  obstacle(value: unknown, point: TrailPoint): unknown {
    if (isSimple(value)) return undefined;
    if (typeof value !== 'symbol' && this.identities.indexOf(value as object) !== -1) {
      return undefined;
    }
    return this.probed.obstacleOf(value, this.trail, point);
  }

  examine(value: object, point: TrailPoint): Examined {
    if (this.identities.indexOf(value) !== -1) return WHOLE;
    return this.probed.examined(value, this.trail, point);
  }

  remainsOf(value: unknown, key: string | symbol, point: TrailPoint, obstacle: unknown): unknown {
    return (this.remains ??= new Remains(this)).of(value, key, point, obstacle);
  }

  protected isStorable(constructor: Function): boolean {
    if (this.identities.indexOf(constructor) !== -1) return true;
    return this.probed.obstacleOfClass(constructor, this.trail) === undefined;
  }

  private get probed(): Probe {
    return (this.probe ??= this.newProbe(this.hooks));
  }

  // Refs, functions, custom states

  private reference(value: object, reference: Reference): void {
    this.identities.add(value);
    this.references.push(reference);
    const { writer } = this;
    const { bytes } = reference;
    writer.byte(reference.kind === 'ref' ? Tag.Ref : Tag.Actor);
    writer.reserve(16);
    for (let index = 0; index < 16; index++) writer.bytes[writer.length + index] = bytes[index]!;
    writer.length += 16;
  }

  private describe(fn: Function, isClassOfInstance: boolean): FunctionDescription {
    if (this.hooks.describeFunction === undefined) {
      throw unstorable(fn, "functions and instances of classes can't be stored here");
    }
    const path = new ValuePath(() => this.trail.path(), isClassOfInstance);
    const description = this.hooks.describeFunction(fn, path);
    if (isClassOfInstance && description.isOfPackage === true) {
      (this.ofPackages ??= new WeakSet()).add(fn);
    }
    return description;
  }

  /** @param isNeeded the function runs before the graph is complete, so it can't be deferred. */
  protected function(fn: Function, isClassOfInstance = false, isNeeded = false): void {
    const description = this.describe(fn, isClassOfInstance);
    this.identities.add(fn);
    this.hasFunctions = true;
    const depth = this.trail.enterFunction(
      description.title,
      isClassOfInstance,
      description.isOfPackage === true,
    );
    const writer = this.writer;
    if (description.kind === 'reference') {
      for (const url of description.modules ?? []) (this.modules ??= new Set()).add(url);
      (this.modules ??= new Set()).add(description.moduleUrl);
      writer.byte(Tag.FunctionReference);
      writer.text(description.key);
      writer.text(description.moduleUrl);
      writer.text(description.exportName);
    } else {
      const deferring = this.level >= NESTING_LIMIT && !isNeeded;
      if (deferring) writer.byte(Tag.Deferred);
      writer.byte(Tag.FunctionByValue);
      writer.text(description.key);
      writer.text(description.definition);
      const { modules, values } = description;
      for (const url of modules ?? []) (this.modules ??= new Set()).add(url);
      writer.count(values.length);
      for (const { label } of values) writer.text(label);
      if (deferring) this.deferredFunctions.push({ values, point: this.trail.mark() });
      else this.functionValues(values);
    }
    this.trail.depth = depth;
  }

  protected functionValues(values: readonly LabelledValue[]): void {
    const base = this.beginUnit();
    for (const { label, value } of values) this.child(value, new Step(label, true));
    this.endUnit(base);
  }

  /** Writes the values of all functions that were deferred. */
  private completeFunctions(): void {
    if (this.deferredFunctions.length === 0) return;
    const here = this.trail.suspend();
    while (this.deferredFunctions.length > 0) {
      const { values, point } = this.deferredFunctions.pop()!;
      this.trail.resume(point);
      this.functionValues(values);
    }
    this.trail.restore(here);
  }

  private customState(value: object, constructor: Function): void {
    if (this.defined(constructor, value, true)) return;
    if (this.deferredFunctions.length > 0) {
      this.writer.byte(Tag.Complete);
      this.completeFunctions();
      // They may hold the instance, which then has been written with them.
      if (this.backReference(value)) return;
    }
    const index = this.identities.indexOf(constructor);
    this.identities.add(value);
    const incomplete = (this.incomplete ??= new Set());
    incomplete.add(value);
    this.writer.byte(Tag.Custom);
    this.writer.count(index);
    this.state((constructor as unknown as Serializing)[SERIALIZE](value), Step.state);
    this.completeFunctions();
    incomplete.delete(value);
  }

  /** An object of Node or of the web that is nothing but data: what it is made of, and what a program gave it besides. */
  private platformValue(value: object, kind: number): void {
    this.identities.add(value);
    this.writer.byte(Tag.Platform);
    this.writer.count(kind);
    const { isOpaque, state } = PLATFORM_KINDS[kind]!;
    this.state(state(value as never, this.hooks), Step.data);
    this.furtherProperties(value, isOpaque ? Object.keys(value) : NO_KEYS);
  }

  /** Writes what an object is made of, complete: it is made before anything else follows. */
  protected state(state: unknown, step: Step): void {
    const base = this.beginUnit();
    this.child(state, step);
    this.endUnit(base);
  }

  private beginUnit(): number {
    if (++this.units > UNIT_NESTING_LIMIT) {
      throw new Unstorable(
        ['…'],
        `custom states hold each other more than ${UNIT_NESTING_LIMIT} deep`,
      );
    }
    return this.deferred.length;
  }

  private endUnit(base: number): void {
    if (this.deferred.length > base) {
      const here = this.trail.suspend();
      this.flush(base);
      this.trail.restore(here);
    }
    this.units--;
  }
}

/** A class that makes the state of its instances itself. */
interface Serializing {
  [SERIALIZE](instance: object): unknown;
}
