/**
 * Objects of Node and of the web: those that are data arrive, and each of the others is refused with what to do instead.
 * The table has one row for each kind.
 */

import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { type ChildProcess, spawn } from 'node:child_process';
import { Console } from 'node:console';
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import dns from 'node:dns';
import { EventEmitter, once } from 'node:events';
import fs from 'node:fs';
import { open } from 'node:fs/promises';
import http from 'node:http';
import inspector from 'node:inspector';
import Module from 'node:module';
import net from 'node:net';
import { PerformanceObserver, createHistogram } from 'node:perf_hooks';
import readline from 'node:readline';
import { PassThrough, Readable, Writable } from 'node:stream';
import url from 'node:url';
import util from 'node:util';
import vm from 'node:vm';
import { Worker } from 'node:worker_threads';
import zlib from 'node:zlib';

import { SerializationError, get, init, put, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { thrown } from './rejection.ts';

beforeAll(async () => {
  await init({ numCpus: 1 });
});

afterAll(async () => {
  await shutdown();
});

const same = remote((value: unknown) => value);

/** A value by each way, and what it was there. */
async function byAllWays<Value>(value: Value): Promise<Value[]> {
  const beside = { beside: new Float64Array(20_000), value };
  return [
    await get(put({ value })).then((after) => after.value),
    (await get(same.remote(value))) as Value,
    ((await get(same.remote(beside))) as { value: Value }).value,
  ];
}

type Globals = Record<string, (new (...values: unknown[]) => object) | undefined>;
const globals = globalThis as unknown as Globals;
const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly: Globals };

/** What this Node may not have. */
const made = (constructor: Globals[string], ...values: unknown[]): object | undefined =>
  constructor === undefined ? undefined : new constructor(...values);

describe('what is data arrives', () => {
  test('Headers, in their order and with several values of one name', async () => {
    const headers = new Headers({ 'Content-Type': 'text/plain', b: '2' });
    headers.append('set-cookie', 'a=1');
    headers.append('set-cookie', 'b=2');
    for (const after of await byAllWays(headers)) {
      expect(after).toBeInstanceOf(Headers);
      expect([...after]).toEqual([...headers]);
      expect(after.getSetCookie()).toEqual(['a=1', 'b=2']);
      after.set('x', 'can be changed');
    }
    expect(headers.has('x')).toBe(false);
  });

  test('Headers of a response, and what a program gave to them', async () => {
    const { headers } = new Response('x', { headers: { etag: '"1"' } });
    Object.assign(headers, { note: [1] });
    for (const after of await byAllWays(headers)) {
      expect(after.get('etag')).toBe('"1"');
      expect((after as unknown as { note: unknown }).note).toEqual([1]);
    }
  });

  test('FormData without files', async () => {
    const form = new FormData();
    form.append('a', '1');
    form.append('a', '2');
    form.append('ä', 'x\r\ny');
    for (const after of await byAllWays(form)) {
      expect(after).toBeInstanceOf(FormData);
      expect([...after]).toEqual([...form]);
    }
  });

  test('TextEncoder, of which each is like any other', async () => {
    for (const after of await byAllWays(new TextEncoder())) {
      expect(after.encode('ä')).toEqual(new TextEncoder().encode('ä'));
    }
  });

  test('URLSearchParams and URL', async () => {
    const search = new URLSearchParams('a=1&a=2&b=%20');
    for (const after of await byAllWays(search)) expect([...after]).toEqual([...search]);
  });

  test('what fs tells of files, as instances with their methods', async () => {
    const { dir } = path;
    const stats = fs.statSync(dir);
    const instants = 'mtimeInstant' in stats ? ['mtimeInstant'] : [];
    for (const after of await byAllWays(stats)) {
      expect(after.isDirectory()).toBe(true);
      // Newer Nodes make the dates when they are first asked for.
      for (const key of ['size', 'mode', 'mtimeMs', 'mtime', 'birthtime', ...instants] as const) {
        expect(after[key as 'mtime'], key).toEqual(stats[key as 'mtime']);
        expect(after[key as 'mtime'], key).toBeDefined();
      }
      expect(Object.getPrototypeOf(after)).toBe(Object.getPrototypeOf(stats));
    }
    const precise = fs.statSync(dir, { bigint: true });
    for (const after of await byAllWays(precise)) {
      expect([after.isDirectory(), after.mtimeNs]).toEqual([true, precise.mtimeNs]);
    }
  });

  test('entries of directories', async () => {
    const entries = fs.readdirSync(path.dir, { withFileTypes: true });
    for (const after of await byAllWays(entries)) {
      const kinds = after.map((each) => [each.name, each.isDirectory(), each.isFile()]);
      expect(kinds).toEqual(entries.map((each) => [each.name, each.isDirectory(), each.isFile()]));
      expect(after[0]).toBeInstanceOf(fs.Dirent);
      expect(after[0]!.parentPath).toBe(entries[0]!.parentPath);
    }
  });

  interface Temporal {
    [name: string]: { from(value: unknown): object };
  }
  const temporal = (globalThis as { Temporal?: Temporal }).Temporal;
  test.skipIf(temporal === undefined).each([
    ['Instant', '2026-02-03T04:05:06.123456789Z'],
    ['ZonedDateTime', '2026-07-03T04:05:06.000000001+02:00[Europe/Berlin]'],
    ['PlainDateTime', '2026-02-03T04:05:06.5'],
    ['PlainDate', '2026-02-03[u-ca=hebrew]'],
    ['PlainTime', '04:05:06.123'],
    ['PlainYearMonth', '2026-02'],
    ['PlainMonthDay', '02-29'],
    ['Duration', 'P1Y2M3DT4H5M6.789S'],
  ])('Temporal.%s', async (name, text) => {
    const value = temporal![name]!.from(text);
    for (const after of await byAllWays(value)) {
      expect(String(after)).toBe(String(value));
      expect(Object.getPrototypeOf(after)).toBe(Object.getPrototypeOf(value));
    }
  });

  test('several of one, and one below many others', async () => {
    const headers = new Headers({ a: '1' });
    let deep: unknown = { headers };
    for (let level = 0; level < 300; level++) deep = [deep];
    const value = { deep, headers };
    for (const after of await byAllWays(value)) {
      let found: unknown = after.deep;
      for (let level = 0; level < 300; level++) [found] = found as unknown[];
      expect((found as typeof value).headers).toBe(after.headers);
      expect(after.headers.get('a')).toBe('1');
    }
  });

  test('the process and what is global in it are those of where they arrive', async () => {
    const pids = remote((given: { process: NodeJS.Process; console: Console; crypto: object }) => [
      given.process.pid === process.pid,
      given.console === console,
      given.crypto === globalThis.crypto,
    ]);
    const { crypto: web, performance } = globalThis;
    expect(await get(pids.remote({ process, console, crypto: web }))).toEqual([true, true, true]);
    const after = await get(put({ process, web, performance, globalThis }));
    expect(after.process).toBe(process);
    expect([after.web, after.performance]).toEqual([web, performance]);
  });
});

const path = { dir: import.meta.dirname };
const module = made(wasm['Module'], new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
const memory = made(wasm['Memory'], { initial: 1 });
function* generator() {
  yield 1;
}
async function* asyncGenerator() {
  yield 1;
}

/** What is closed after the tests. */
const open_: { close?(): unknown; kill?(): unknown; destroy?(): unknown; terminate?(): unknown }[] =
  [];
function closedLater<Value>(value: Value): Value {
  open_.push(value as never);
  return value;
}
afterAll(async () => {
  for (const each of open_) {
    await (each.terminate ?? each.kill ?? each.destroy ?? each.close)?.call(each);
  }
});

type Row = [name: string, make: () => unknown, remedy: RegExp];

const refused: Row[] = [
  ['a Promise', () => Promise.resolve(1), /await it/],
  ['a WeakMap', () => new WeakMap(), /can't be listed/],
  ['a WeakSet', () => new WeakSet(), /can't be listed/],
  ['a WeakRef', () => new WeakRef({}), /deref\(\)/],
  ['a FinalizationRegistry', () => new FinalizationRegistry(() => 1), /where it is used/],
  ['a generator', () => generator(), /send what it yields, as an array/],
  ['an async generator', () => asyncGenerator(), /send what it yields/],
  ['an iterator of an array', () => [1].values(), /\[\.\.\.iterator\]/],
  ['an iterator of a Map', () => new Map().entries(), /\[\.\.\.iterator\]/],
  ['an iterator of a Set', () => new Set().values(), /\[\.\.\.iterator\]/],
  ['an iterator of a text', () => 'text'[Symbol.iterator](), /\[\.\.\.iterator\]/],
  ['an iterator of matches', () => 'text'.matchAll(/t/g), /\[\.\.\.iterator\]/],
  ['an iterator helper', () => helperOf([1].values()), /\[\.\.\.iterator\]/],
  ['a stack of disposables', () => made(globals['DisposableStack']), /where it is used/],
  ['Intl.NumberFormat', () => new Intl.NumberFormat('de'), /resolvedOptions\(\).*perProcess/],
  ['Intl.DateTimeFormat', () => new Intl.DateTimeFormat('de'), /resolvedOptions\(\)/],
  ['Intl.Collator', () => new Intl.Collator('de'), /resolvedOptions\(\)/],
  ['Intl.PluralRules', () => new Intl.PluralRules('de'), /resolvedOptions\(\)/],
  ['Intl.ListFormat', () => new Intl.ListFormat('de'), /resolvedOptions\(\)/],
  ['Intl.Segmenter', () => new Intl.Segmenter('de'), /resolvedOptions\(\)/],
  ['Intl.RelativeTimeFormat', () => new Intl.RelativeTimeFormat('de'), /resolvedOptions\(\)/],
  [
    'Intl.DisplayNames',
    () => new Intl.DisplayNames('de', { type: 'region' }),
    /resolvedOptions\(\)/,
  ],
  ['Intl.Locale', () => new Intl.Locale('de'), /new Intl\.Locale\(name\)/],
  ['an AbortController', () => new AbortController(), /controller\.signal/],
  ['a Blob', () => new Blob(['x']), /await blob\.arrayBuffer\(\)/],
  ['a File', () => made(globals['File'], ['x'], 'n'), /await file\.arrayBuffer\(\)/],
  ['FormData with a file', () => formWithFile(), /entry "avatar" → (File|Blob)$/],
  ['a Request', () => new Request('http://localhost/'), /await request\.arrayBuffer\(\)/],
  ['a Response', () => new Response('x'), /await response\.arrayBuffer\(\)/],
  ['a ReadableStream', () => new ReadableStream(), /node:stream\/consumers/],
  ['a WritableStream', () => new WritableStream(), /node:stream\/consumers/],
  ['a TransformStream', () => new TransformStream(), /node:stream\/consumers/],
  ['a CompressionStream', () => new CompressionStream('gzip'), /node:stream\/consumers/],
  ['a TextDecoder', () => new TextDecoder(), /make it where it is used/],
  ['a WebSocket', () => webSocket(), /connection.*perProcess/],
  ['an EventTarget', () => new EventTarget(), /listeners.*perProcess/],
  ['an Event', () => new Event('x'), /send what is needed of it/],
  ['a MessagePort', () => closedLater(new MessageChannel().port1), /call an actor instead/],
  ['a MessageChannel', () => new MessageChannel(), /call an actor instead/],
  ['a BroadcastChannel', () => closedLater(new BroadcastChannel('x')), /call an actor instead/],
  ['a URLPattern', () => made(globals['URLPattern'], { pathname: '/x' }), /new URLPattern/],
  ['an entry of performance', () => performance.mark('x'), /entry\.toJSON\(\)/],
  ['a PerformanceObserver', () => new PerformanceObserver(() => 1), /where it is used/],
  ['a module of WebAssembly', () => module, /send the bytes that it was compiled of/],
  ['an instance of WebAssembly', () => made(wasm['Instance'], module), /bytes of its module/],
  ['memory of WebAssembly', () => memory, /memory\.buffer/],
  ['a table', () => made(wasm['Table'], { initial: 1, element: 'anyfunc' }), /in an actor/],
  ['a global of WebAssembly', () => made(wasm['Global'], { value: 'i32' }, 1), /in an actor/],
  ['a KeyObject', () => crypto.createSecretKey(Buffer.from('x')), /key\.export/],
  ['a CryptoKey', () => cryptoKey, /crypto\.subtle\.exportKey/],
  ['a Hash', () => crypto.createHash('sha256'), /digest\(\)/],
  ['an Hmac', () => crypto.createHmac('sha256', 'x'), /digest\(\)/],
  ['a FileHandle', () => handle, /send its path/],
  ['an open directory', () => closedLater(fs.opendirSync(path.dir)), /send its path/],
  ['a watcher', () => closedLater(fs.watch(path.dir)), /send its path/],
  ['a stream of a file', () => closedLater(fs.createReadStream(process.execPath)), /consumers/],
  ['a Readable', () => new Readable(), /node:stream\/consumers/],
  ['a Writable', () => new Writable(), /node:stream\/consumers/],
  ['a PassThrough', () => new PassThrough(), /node:stream\/consumers/],
  ['a Gzip', () => closedLater(zlib.createGzip()), /node:stream\/consumers/],
  ['the output', () => process.stdout, /stream|connection/],
  ['a Socket', () => new net.Socket(), /connection.*perProcess/],
  ['a UDP socket', () => closedLater(dgram.createSocket('udp4')), /connection.*perProcess/],
  ['a server', () => http.createServer(), /listens in its own process/],
  ['an Agent', () => new http.Agent(), /connections.*perProcess/],
  ['a message', () => new http.IncomingMessage(new net.Socket()), /statusCode, headers/],
  ['a BlockList', () => new net.BlockList(), /send the addresses/],
  [
    'a SocketAddress',
    () => new net.SocketAddress({ address: '::1', family: 'ipv6' }),
    /address, port and family/,
  ],
  ['a Resolver', () => new dns.Resolver(), /where it is used/],
  ['an EventEmitter', () => new EventEmitter(), /listeners.*perProcess/],
  ['a Worker', () => worker, /call an actor instead/],
  ['a process', () => child, /keep it in an actor/],
  ['a timer', () => cleared(setTimeout(() => 1, 1)), /start it where it shall run/],
  ['an immediate', () => setImmediate(() => 1), /start it where it shall run/],
  ['a CommonJS module', () => new Module('x'), /import it there/],
  ['import.meta', () => meta(), /import\.meta\.url/],
  ['an AsyncLocalStorage', () => new AsyncLocalStorage(), /where it is used/],
  ['an AsyncResource', () => new AsyncResource('x'), /where it is used/],
  ['a line reader', () => closedLater(lines()), /node:stream\/consumers/],
  ['a Script', () => new vm.Script('1'), /send its text/],
  ['an inspector session', () => new inspector.Session(), /where it is used/],
  ['a Console', () => new Console(process.stdout), /use the console there/],
  ['a histogram', () => createHistogram(), /toJSON\(\)/],
  ['a MIMEType', () => new util.MIMEType('text/plain'), /String\(type\)/],
  // oxlint-disable-next-line typescript/no-deprecated
  ['a Url of old', () => url.parse('http://x/'), /new URL\(text\)/],
  [
    'an instance of a class above an emitter',
    () => new Mine(),
    /extends EventEmitter: .*listeners/,
  ],
  ['an instance of a class above Headers', () => new MyHeaders(), /perProcess/],
  ['an instance with private members', () => new Secret(), /#private.*perProcess/],
];

class Mine extends EventEmitter {}
class MyHeaders extends Headers {}
class Secret {
  readonly #key = 1;
  key(): number {
    return this.#key;
  }
}

let handle: unknown;
let cryptoKey: unknown;
let worker: Worker;
let child: ChildProcess;

beforeAll(async () => {
  handle = closedLater(await open(process.execPath));
  const algorithm = { name: 'AES-GCM', length: 128 };
  cryptoKey = await globalThis.crypto.subtle.generateKey(algorithm, true, ['encrypt']);
  worker = closedLater(new Worker('setInterval(() => 1, 1000)', { eval: true }));
  child = closedLater(spawn(process.execPath, ['-e', 'setInterval(() => 1, 1000)']));
  await once(child, 'spawn');
});

function helperOf(iterator: object): unknown {
  const { map } = iterator as { map?(each: (value: unknown) => unknown): unknown };
  return map?.call(iterator, (value) => value);
}

function formWithFile(): FormData {
  const form = new FormData();
  form.append('name', 'x');
  form.append('avatar', new Blob(['x']));
  return form;
}

function webSocket(): unknown {
  const { WebSocket } = globals;
  if (WebSocket === undefined) return undefined;
  const socket = new WebSocket('ws://127.0.0.1:1/') as EventTarget & { close(): void };
  socket.addEventListener('error', () => undefined);
  return socket;
}

function cleared<Timer extends NodeJS.Timeout>(timer: Timer): Timer {
  clearTimeout(timer);
  return timer;
}

function lines(): readline.Interface {
  return readline.createInterface({ input: new PassThrough() });
}

/** As Node makes it: here, the test runner has one of its own. */
function meta(): object {
  const resolve = new Module('x').require;
  return Object.assign(Object.create(null) as object, { url: import.meta.url, resolve });
}

describe('what is no data is refused with what to do instead', () => {
  test.each(refused)('%s', (_name, make, remedy) => {
    const value = make();
    // This Node has none.
    if (value === undefined) return;
    const error = thrown<SerializationError>(() => put({ value }));
    expect(error).toBeInstanceOf(SerializationError);
    expect(error.message).toMatch(remedy);
    expect(error.path.slice(0, 2)).toEqual(['value', 'key "value"']);
    expect(error.path.length).toBeGreaterThan(2);
    // The same where a function uses it.
    const task = remote(() => value);
    expect(thrown<Error>(() => task.remote()).message).toMatch(remedy);
  });

  test('the environment, but where a function uses it', async () => {
    expect(thrown<Error>(() => put({ env: process.env })).message).toContain('{ ...process.env }');
    const environment = process.env;
    expect(await get(remote(() => environment['PATH']).remote())).toBe(process.env['PATH']);
  });

  test('a class of the program that has the name of one of Node is not taken for it', async () => {
    class Worker {
      name = 'mine';
    }
    class Headers {
      list = [1];
    }
    const after = await get(put([new Worker(), new Headers()] as const));
    expect(after[0].name).toBe('mine');
    expect(after[1]).toBeInstanceOf(Headers);
    class Blob {
      socket = new net.Socket();
    }
    expect(thrown<Error>(() => put(new Blob())).message).toMatch(/connection.*key "socket"/);
  });
});
