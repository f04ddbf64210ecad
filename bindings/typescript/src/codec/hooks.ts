/**
 * What the codec asks of the rest of the SDK: how refs, actor handles, functions, classes and
 * out-of-band memory are named on the way out and made again on the way in.
 *
 * The codec knows values; it does not know the runtime, closures, modules or the object store.
 */

/** Where in a value the encoder is. Costs nothing until somebody reads it. */
export class ValuePath {
  /** True if the path ends at an instance and what is described is its class: a step of its own. */
  readonly endsAtInstance: boolean;
  #read: () => readonly string[];

  constructor(read: () => readonly string[], endsAtInstance = false) {
    this.#read = read;
    this.endsAtInstance = endsAtInstance;
  }

  /** A path with known steps, such as `ValuePath.of('square')`. */
  static of(...steps: string[]): ValuePath {
    return new ValuePath(() => steps);
  }

  /** The steps from the root, such as `['value', 'key "db"', '[3]']`. */
  get steps(): readonly string[] {
    return this.#read();
  }

  /** This path and one or more steps below it. */
  child(...steps: string[]): ValuePath {
    return new ValuePath(() => [...this.steps, ...steps]);
  }

  /** The form that users see in a `SerializationError`: `square`, `variable "db"` and `Socket`, with arrows between them. */
  toString(): string {
    return this.steps.join(' → ');
  }
}

/** A value of a function's description, with the words by which an error names it. */
export interface LabelledValue {
  /** The step of the path, as users read it: `variable "db"`, `superclass`, `static "count"`. */
  label: string;
  value: unknown;
}

/** A function or class that the receiver finds by importing a module. */
export interface FunctionReference {
  kind: 'reference';
  /** The function's identity: equal keys are the same function in every process. */
  key: string;
  /** An absolute `file:`, `node:` or other URL that the receiver can import. */
  moduleUrl: string;
  exportName: string;
  /** Modules that the receiver has to import ahead of that one. */
  modules?: readonly string[];
  /** How an error names the function, such as `helper (math.ts:12)`. */
  title: string;
  /**
   * True for a class when it, or a class that it extends, declares `#private` members: its
   * instances can't be stored, unless the class has the custom state functions.
   */
  hasPrivateMembers?: boolean;
  /** True for what a package has made, in which whoever uses it can't change anything. */
  isOfPackage?: boolean;
  /**
   * True for what belongs to V8 or Node, globals included. What an instance of such a class is made
   * of can't be seen from outside, so only those that the codec itself knows can be stored.
   */
  isOfPlatform?: boolean;
}

/** A function or class that travels as source and captured values. */
export interface FunctionByValue {
  kind: 'value';
  /** The function's identity: equal keys are the same function in every process. */
  key: string;
  /** Everything about the function but its values; a text that only the describer reads. */
  definition: string;
  /**
   * Variables, superclass, static properties: whatever the function needs, in an order that the
   * describer chooses. They are encoded as part of the same graph, so cycles and shared objects
   * keep their identity.
   */
  values: readonly LabelledValue[];
  /** Modules that the receiver has to import ahead, besides those that the values need. */
  modules?: readonly string[];
  /** How an error names the function, such as `helper (math.ts:12)`. */
  title: string;
  /** As in {@link FunctionReference}. */
  hasPrivateMembers?: boolean;
  /** As in {@link FunctionReference}. */
  isOfPackage?: boolean;
}

/** How a function or class travels. */
export type FunctionDescription = FunctionReference | FunctionByValue;

/** A {@link FunctionDescription} as it arrives: the values follow with `assign`. */
export type FunctionSkeleton =
  | { kind: 'reference'; key: string; moduleUrl: string; exportName: string }
  | { kind: 'value'; key: string; definition: string; labels: readonly string[] };

/** A function that exists already, and may still lack its values. */
export interface ConstructedFunction {
  value: Function;
  /**
   * Called once for functions by value, when all values are decoded: `values[i]` belongs to
   * `labels[i]`. A function that this process knew already ignores them.
   */
  assign?(values: readonly unknown[]): void;
}

/** An object or an actor of the runtime, by its 16-byte id. */
export interface Reference {
  kind: 'ref' | 'actor';
  /** Exactly 16 bytes. */
  bytes: Uint8Array;
}

/** What an {@link Encoder} asks. */
export interface EncodeHooks {
  /**
   * The id behind `value` if it is an object ref or an actor handle; undefined if it is neither.
   * Called once per object whose prototype is neither a plain nor a built-in one. The result is
   * also listed in `encoder.nested`.
   */
  reference(value: object): Reference | undefined;
  /**
   * Describes a function or a class. Throws a `SerializationError` that names the path if it
   * can't travel. Absent: every function is an error.
   */
  describeFunction?(fn: Function, path: ValuePath): FunctionDescription;
  /**
   * The text by which the receiver finds a symbol that a module of it has, and the modules that it has to import for that.
   * Absent or undefined: such a symbol is an error.
   *
   * @param holder the object of which it is a key, if it is one.
   */
  describeSymbol?(
    symbol: symbol,
    holder?: object,
  ): { readonly text: string; readonly modules: readonly string[] } | undefined;
  /**
   * The WeakMaps and WeakSets in which the module of a class may keep what belongs to its instances. Asked once for each
   * class that travels by reference. Absent: there are none.
   */
  weakCollections?(constructor: Function): readonly (WeakMap<object, unknown> | WeakSet<object>)[];
  /** True for a class that is a part of Node or of V8. Absent: only for those written in C++. */
  isOfPlatform?(constructor: Function): boolean;
  /** The ref by which others hear of a signal's abort. Absent: signals that have not aborted are an error. */
  refOfSignal?(signal: AbortSignal): object;
  /** The importable URL of a module namespace object. Absent or undefined: it is an error. */
  moduleUrl?(namespace: object): string | undefined;
  /**
   * The URL by which the receiver finds a module of Node, if `exports` is what `require` gives of one. Called for
   * objects that may be one, before anything of them is read. Absent: none is.
   */
  builtInModuleUrl?(exports: object): string | undefined;
}

/** What a {@link Decoder} asks. */
export interface DecodeHooks {
  /** The ref or handle of an id. `bytes` are only valid during the call. */
  reference(kind: 'ref' | 'actor', bytes: Uint8Array): object;
  /**
   * Makes the function, or finds it: by its key, or in a module, which `requiredModules` named in
   * time. Values come later, so that a function may capture itself.
   */
  constructFunction?(skeleton: FunctionSkeleton): ConstructedFunction;
  /** The signal of a ref that {@link EncodeHooks.refOfSignal} gave. */
  signalOf?(ref: object): AbortSignal;
  /** The symbol of a text that `describeSymbol` gave; the modules that it named are imported. */
  symbol?(text: string): symbol;
  /** The namespace object, or what else its URL stands for, of a module that `requiredModules` named. */
  moduleNamespace?(moduleUrl: string): object;
  /**
   * The memory of an out-of-band buffer, of exactly `byteLength` bytes.
   *
   * @param shared asks for a `SharedArrayBuffer`, where this Node can make one over such memory.
   */
  attach(extentIndex: number, byteLength: number, shared: boolean): ArrayBufferLike;
}
