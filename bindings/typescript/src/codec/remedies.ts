/**
 * Why objects of Node, of the web and of the language can't be stored, and what to do instead: one remedy for each kind,
 * by the name of its class or by the tag that `Object.prototype.toString` shows.
 */

import { PER_PROCESS } from '../remedies.ts';

const IN_ACTOR = `keep it in an actor, or ${PER_PROCESS}`;
const WHERE_USED = 'make it where it is used';

const STREAM =
  'a stream belongs to this process; send what it holds (node:stream/consumers), open it where it is read or written, or ' +
  PER_PROCESS;
const CONNECTION = `it is a connection of this process; ${IN_ACTOR}`;
const CONTENT = 'its content can only be read asynchronously; send that';
const ITERATOR =
  'an iterator belongs to this process; send what it gives, as an array: [...iterator]';
const WEAK =
  "weak collections can't be listed, so they can't be stored; send what they hold as a Map or a Set, or make them where " +
  'they are used';
const TIMER = 'a timer belongs to this process; start it where it shall run';
const LISTENERS = `its listeners belong to this process; ${IN_ACTOR}`;
const THREADS = 'it connects threads of this process; call an actor instead, or pass refs';
const LOCALE = `it holds tables of this process; ${WHERE_USED} (resolvedOptions() tells its options), or perProcess(() => …)`;
const KEY = 'keys do not leave their process by themselves; export it, and import it there';
const UNFINISHED = 'it holds a state of this process that can not be read; send what ';
const CIPHER = `${UNFINISHED}update() and final() give`;
const EXCHANGE = `${WHERE_USED}, of the bytes of getPrivateKey(), or keep it in an actor`;
const SERIALIZER = 'send the bytes that it makes or reads';
const WEB_ASSEMBLY =
  'it belongs to an instance of WebAssembly in this process; keep that in an actor';

/** By the name of a class or of a tag: a reason and what to do, or what to do alone. */
export const REMEDIES: Readonly<Record<string, string>> = {
  // The language
  Promise: "a Promise can't be sent to another process; await it and send what it gives",
  WeakMap: WEAK,
  WeakSet: WEAK,
  WeakRef: 'a WeakRef means an object of this process only; send what deref() gives',
  FinalizationRegistry: `it watches objects of this process; ${WHERE_USED}`,
  Generator: 'a generator that runs belongs to this process; send what it yields, as an array',
  AsyncGenerator: 'a generator that runs belongs to this process; send what it yields',
  'Array Iterator': ITERATOR,
  'Map Iterator': ITERATOR,
  'Set Iterator': ITERATOR,
  'String Iterator': ITERATOR,
  'RegExp String Iterator': ITERATOR,
  'Segmenter String Iterator': ITERATOR,
  'Iterator Helper': ITERATOR,
  'Wrap for valid iterator': ITERATOR,
  DisposableStack: `it disposes of things of this process; ${WHERE_USED}`,
  AsyncDisposableStack: `it disposes of things of this process; ${WHERE_USED}`,
  Collator: LOCALE,
  DateTimeFormat: LOCALE,
  DisplayNames: LOCALE,
  DurationFormat: LOCALE,
  ListFormat: LOCALE,
  Locale: 'send its name, String(locale), and make it there: new Intl.Locale(name)',
  NumberFormat: LOCALE,
  PluralRules: LOCALE,
  RelativeTimeFormat: LOCALE,
  Segmenter: LOCALE,
  Segments: 'send what it gives, as an array: [...segments]',

  // The web
  AbortController: 'send its signal, which tells when it aborts: controller.signal',
  Blob: `${CONTENT}: new Uint8Array(await blob.arrayBuffer()), and make a Blob of it there`,
  File: `${CONTENT}: file.name and new Uint8Array(await file.arrayBuffer()), and make a File of them there`,
  Request: `${CONTENT}: request.url, method, headers and await request.arrayBuffer()`,
  Response: `${CONTENT}: response.status, headers and await response.arrayBuffer()`,
  ReadableStream: STREAM,
  WritableStream: STREAM,
  TransformStream: STREAM,
  CompressionStream: STREAM,
  DecompressionStream: STREAM,
  TextDecoderStream: STREAM,
  TextEncoderStream: STREAM,
  ReadableStreamDefaultReader: STREAM,
  ReadableStreamBYOBReader: STREAM,
  ReadableStreamBYOBRequest: STREAM,
  ReadableStreamDefaultController: STREAM,
  ReadableByteStreamController: STREAM,
  WritableStreamDefaultWriter: STREAM,
  WritableStreamDefaultController: STREAM,
  TransformStreamDefaultController: STREAM,
  ByteLengthQueuingStrategy: WHERE_USED,
  CountQueuingStrategy: WHERE_USED,
  TextDecoder: `it may hold half a character; ${WHERE_USED}`,
  WebSocket: CONNECTION,
  EventSource: CONNECTION,
  EventTarget: LISTENERS,
  Event: 'an event belongs to the target that it is dispatched to; send what is needed of it',
  MessagePort: THREADS,
  MessageChannel: THREADS,
  BroadcastChannel: THREADS,
  Storage: 'it belongs to this process; send its entries: { ...storage }',
  CryptoKey: `${KEY}: crypto.subtle.exportKey, crypto.subtle.importKey`,
  URLPattern: 'send the parts that it was made of, and make it there: new URLPattern(parts)',
  PerformanceEntry: 'send its data: entry.toJSON()',
  PerformanceObserverEntryList:
    'send the data of its entries: list.getEntries().map((entry) => entry.toJSON())',
  PerformanceObserver: `it observes this process; ${WHERE_USED}`,
  'WebAssembly.Module': 'send the bytes that it was compiled of, and compile them there',
  'WebAssembly.Instance':
    'an instance belongs to this process; keep it in an actor, or send the bytes of its module and make it there',
  'WebAssembly.Memory':
    'the memory of WebAssembly belongs to this process; keep it and its instance in an actor, or send a copy of its ' +
    'bytes: memory.buffer (if it is shared, new Uint8Array(memory.buffer).slice())',
  'WebAssembly.Table': WEB_ASSEMBLY,
  'WebAssembly.Global': WEB_ASSEMBLY,
  'WebAssembly.Tag': WEB_ASSEMBLY,

  // Node
  Agent: `it holds connections of this process; ${IN_ACTOR}`,
  AsyncLocalStorage: `it means calls of this process; ${WHERE_USED}, or perProcess(() => …)`,
  AsyncResource: `it means calls of this process; ${WHERE_USED}`,
  Assert: WHERE_USED,
  BlockList: 'send the addresses that it was made of, and make it there',
  BoundSocket: CONNECTION,
  Channel: 'send its name, and find it there: diagnostics_channel.channel(name)',
  BoundedChannel: 'send its name, and make it there',
  ChildProcess: 'a process belongs to the one that started it; keep it in an actor',
  Cipheriv: CIPHER,
  ClientRequest: CONNECTION,
  Console: `it writes to streams of this process; use the console there, or ${IN_ACTOR}`,
  Decipheriv: CIPHER,
  DatabaseSync: CONNECTION,
  DefaultDeserializer: SERIALIZER,
  DefaultSerializer: SERIALIZER,
  Deserializer: SERIALIZER,
  DiffieHellman: EXCHANGE,
  Dir: 'it is open in this process; send its path, and open it there',
  DirentFromStats: 'send its name and what it is, such as entry.isDirectory()',
  ECDH: EXCHANGE,
  EventEmitter: LISTENERS,
  FileHandle: 'the file is open in this process; send its path, and open it there',
  FSWatcher: 'it watches for this process; send its path, and watch it there',
  GCProfiler: `it watches this process; ${WHERE_USED}`,
  Hash: `${UNFINISHED}digest() gives`,
  Hmac: `${UNFINISHED}digest() gives`,
  Histogram: 'send its numbers: histogram.toJSON()',
  RecordableHistogram: 'send its numbers: histogram.toJSON()',
  Immediate: TIMER,
  IncomingMessage:
    'it is a stream of this process; send what is needed of it: method, url, statusCode, headers, its body',
  Interface: STREAM,
  KeyObject: `${KEY}: key.export(…), and createSecretKey, createPrivateKey or createPublicKey`,
  MIMEParams: 'send its text, String(params), or its entries: [...params]',
  MIMEType: 'send its text, String(type), and make it there: new MIMEType(text)',
  Module: 'a module belongs to this process; import it there, or send what it exports',
  OutgoingMessage: CONNECTION,
  ReadStream: STREAM,
  Readline: STREAM,
  Resolver: `${WHERE_USED}, or perProcess(() => …)`,
  Script: 'it is compiled for this process; send its text, and compile that there',
  Serializer: SERIALIZER,
  Server: 'a server listens in its own process; keep it in an actor',
  Http2Session: CONNECTION,
  Session: `it belongs to this process; ${WHERE_USED}`,
  Sign: `${UNFINISHED}sign(key) gives`,
  Socket: CONNECTION,
  SourceMap: 'send its payload, and make it there: new SourceMap(payload)',
  SocketAddress: 'send its address, port and family, and make it there',
  StatWatcher: 'it watches for this process; send its path, and watch it there',
  StatementSync: CONNECTION,
  Stream: STREAM,
  StringDecoder: `it may hold half a character; ${WHERE_USED}`,
  Timeout: TIMER,
  Url: 'send its text, url.format(it), or a URL: new URL(text)',
  Verify: `${UNFINISHED}verify(key, signature) gives`,
  WASI: WEB_ASSEMBLY,
  Worker: 'a thread belongs to its process; call an actor instead, or keep it in an actor',
  X509Certificate: 'send its bytes, certificate.raw, and make it there: new X509Certificate(bytes)',
};

/** Remedies begin with a reason up to here, or have none. */
const REASON_END = '; ';
const WITHOUT_REMEDY = `it belongs to this process; ${IN_ACTOR}`;

/** Why an object of the platform can't be stored, and what whoever has made it can do instead. */
export interface PlatformObstacle {
  /** Empty if the remedy says enough. */
  readonly reason: string;
  readonly remedy: string;
}

/**
 * Why an object of a class of Node, of the web or of the language can't be stored.
 *
 * @param isOfPlatform tells these classes from the program's own, whose names mean nothing here
 */
export function platformObstacle(
  value: object,
  isOfPlatform: (constructor: Function) => boolean,
): PlatformObstacle {
  const text = remedyOf(value, isOfPlatform);
  const end = text.indexOf(REASON_END);
  if (end === -1) return { reason: '', remedy: text };
  return { reason: text.slice(0, end), remedy: text.slice(end + REASON_END.length) };
}

function remedyOf(value: object, isOfPlatform: (constructor: Function) => boolean): string {
  if (value === process.env) return 'it belongs to this process; send a copy: { ...process.env }';
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  // `Module` alone is one of Node.
  if (tag.startsWith('WebAssembly.')) return remedyFor(tag) ?? WEB_ASSEMBLY;
  for (const constructor of constructorsOf(value)) {
    const remedy = remedyFor(constructor.name);
    if (remedy !== undefined && isOfPlatform(constructor)) return remedy;
  }
  // Iterators and generators have no class that is known by a name.
  return remedyFor(tag) ?? WITHOUT_REMEDY;
}

function remedyFor(name: string): string | undefined {
  return Object.hasOwn(REMEDIES, name) ? REMEDIES[name] : undefined;
}

/** The classes of an object, nearest first. */
function constructorsOf(value: object): Function[] {
  const found: Function[] = [];
  for (
    let each = Object.getPrototypeOf(value) as object | null;
    each !== null;
    each = Object.getPrototypeOf(each) as object | null
  ) {
    const constructor: unknown = Object.hasOwn(each, 'constructor')
      ? (each as { constructor?: unknown }).constructor
      : undefined;
    if (typeof constructor === 'function') found.push(constructor);
  }
  return found;
}

/** True for `import.meta`, which looks like any object without a prototype. */
export function isImportMeta(value: object, isOfPlatform: (fn: Function) => boolean): boolean {
  if (!Object.hasOwn(value, 'resolve') || !Object.hasOwn(value, 'url')) return false;
  const { resolve, url } = value as { resolve?: unknown; url?: unknown };
  return typeof url === 'string' && typeof resolve === 'function' && isOfPlatform(resolve);
}

export const IMPORT_META =
  'import.meta belongs to its module; send import.meta.url, or use import.meta in the function that is sent';
