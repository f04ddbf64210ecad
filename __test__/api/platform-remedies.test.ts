/**
 * What errors say to do instead of sending an object of Node, of the web or of the language: each of these sentences is
 * done here as it says.
 */

import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { type ChildProcess, execFile } from 'node:child_process';
import { Console } from 'node:console';
import crypto from 'node:crypto';
import diagnostics from 'node:diagnostics_channel';
import dns from 'node:dns';
import { EventEmitter, once } from 'node:events';
import fs from 'node:fs';
import { open } from 'node:fs/promises';
import http from 'node:http';
import inspector from 'node:inspector';
import Module, { SourceMap } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { PerformanceObserver, createHistogram, performance } from 'node:perf_hooks';
import { Readable, Writable } from 'node:stream';
import * as consumers from 'node:stream/consumers';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import url from 'node:url';
import util from 'node:util';
import v8 from 'node:v8';
import vm from 'node:vm';

import * as eagleray from 'eagleray';
import { get, init, kill, put, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { REMEDIES } from '../../bindings/typescript/src/codec/remedies.ts';

beforeAll(async () => {
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
});

/** What a function gives for what is sent to it. */
const there = async <Given extends unknown[], Result>(
  fn: (...given: Given) => Result,
  ...given: Given
): Promise<unknown> => get(remote(fn as (...values: unknown[]) => unknown).remote(...given));

type Globals = Record<string, (new (...values: unknown[]) => never) | undefined>;
const globals = globalThis as unknown as Globals;
const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly: Record<string, Made> };
type Made = new (...values: unknown[]) => { exports: Record<string, () => number> };

/** Exports `answer`, a function that gives 42, and a memory. */
const compiled = new Uint8Array(
  Buffer.from(
    '0061736d010000000105016000017f03020100070a0106616e7377657200000a06010400412a0b',
    'hex',
  ),
);

/** The kinds whose sentence a test has tried. */
const tried = new Set<string>();

/** Tries the sentence of some kinds. */
function remedy(names: string, title: string, attempt: () => Promise<void>): void {
  for (const name of names.split(', ')) {
    if (REMEDIES[name] === undefined) throw new Error(`there is no remedy for ${name}`);
    tried.add(name);
  }
  test(`${names}: ${title}`, attempt);
}

describe('the language', () => {
  remedy('Promise', 'await it', async () => {
    expect(await there((x) => x, await Promise.resolve(1))).toBe(1);
  });

  remedy('WeakMap, WeakSet', 'a Map or Set of what they hold, or where they are used', async () => {
    const key = { id: 1 };
    const given = { key, data: new Map([[key, 'data']]), seen: new Set([key]) };
    const found = await there((value) => {
      const weak = new WeakMap(value.data);
      return [weak.get(value.key), new WeakSet(value.seen).has(value.key)];
    }, given);
    expect(found).toEqual(['data', true]);
  });

  remedy('WeakRef', 'what deref() gives', async () => {
    const target = { a: 1 };
    expect(await get(put(new WeakRef(target).deref()))).toEqual(target);
  });

  remedy('FinalizationRegistry', 'where it is used', async () => {
    const made = await there(() => {
      const registry = new FinalizationRegistry<number>(() => undefined);
      registry.register({}, 1);
      return String(registry);
    });
    expect(made).toBe('[object FinalizationRegistry]');
  });

  remedy('Generator, AsyncGenerator', 'what they yield', async () => {
    function* numbers(): Generator<number> {
      yield* [1, 2];
    }
    async function* later(): AsyncGenerator<number> {
      yield* numbers();
    }
    expect(await there((list) => list, [...numbers()])).toEqual([1, 2]);
    const all: number[] = [];
    for await (const each of later()) all.push(each);
    expect(await there((list) => list, all)).toEqual([1, 2]);
    // The function itself travels.
    expect(await there(() => [...numbers()])).toEqual([1, 2]);
  });

  remedy('Array Iterator, RegExp String Iterator, Segments', 'an array of it', async () => {
    const lists = [
      [...[1].values()],
      [...'text'.matchAll(/t/g)],
      [...new Intl.Segmenter('de').segment('ab')],
    ];
    const after = (await there((value) => value, lists)) as typeof lists;
    expect(after[0]).toEqual([1]);
    expect(after[1]).toEqual(lists[1]);
    expect((after[2] as { segment: string }[]).map(({ segment }) => segment)).toEqual(['a', 'b']);
  });

  remedy('DisposableStack', 'where it is used', async () => {
    if (globals['DisposableStack'] === undefined) return;
    const count = await there(() => {
      const Stack = (globalThis as never as { DisposableStack: new () => never }).DisposableStack;
      const stack = new Stack() as { defer(fn: () => void): void; dispose(): void };
      let disposed = 0;
      stack.defer(() => disposed++);
      stack.dispose();
      return disposed;
    });
    expect(count).toBe(1);
  });

  remedy('NumberFormat, DateTimeFormat, Collator, PluralRules', 'its options', async () => {
    const number = new Intl.NumberFormat('de', { style: 'currency', currency: 'EUR' });
    const date = new Intl.DateTimeFormat('de', { dateStyle: 'full', timeZone: 'Asia/Tokyo' });
    const collator = new Intl.Collator('de', { sensitivity: 'base', numeric: true });
    const plural = new Intl.PluralRules('en', { type: 'ordinal' });
    const options = [number, date, collator, plural].map((each) => each.resolvedOptions());
    const made = await there((given) => {
      const [n, d, c, p] = given as unknown as Intl.ResolvedNumberFormatOptions[];
      return [
        new Intl.NumberFormat(n!.locale, n).format(1234.5),
        new Intl.DateTimeFormat(d!.locale, d as object).format(new Date(0)),
        new Intl.Collator(c!.locale, c as object).compare('a10', 'Ä9'),
        new Intl.PluralRules(p!.locale, p as object).select(2),
      ];
    }, options);
    const here = [number.format(1234.5), date.format(new Date(0)), 1, plural.select(2)];
    expect(made).toEqual(here);
  });

  remedy('Locale', 'its name', async () => {
    const locale = new Intl.Locale('de-AT', { hourCycle: 'h12' });
    const after = await there((name) => new Intl.Locale(name).hourCycle, String(locale));
    expect(after).toBe('h12');
  });
});

describe('the web', () => {
  remedy('Blob, File', 'their bytes', async () => {
    const blob = new Blob(['bytes'], { type: 'text/plain' });
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const text = await there(async (given) => new Blob([given]).text(), bytes);
    expect(text).toBe('bytes');
    const File = globals['File'] as unknown as (new (...values: unknown[]) => Blob) | undefined;
    if (File === undefined) return;
    const file = new File(['bytes'], 'name') as Blob & { name: string };
    const [name, size] = (await there(
      (given, fileName) => {
        const made = new (globalThis as never as { File: typeof File }).File([given], fileName);
        return [(made as Blob & { name: string }).name, made.size];
      },
      new Uint8Array(await file.arrayBuffer()),
      file.name,
    )) as [string, number];
    expect([name, size]).toEqual(['name', 5]);
  });

  remedy('AbortController', 'its signal', async () => {
    const controller = new AbortController();
    const ref = there(async (signal) => {
      if (!signal.aborted) await once(signal, 'abort');
      return signal.reason as unknown;
    }, controller.signal);
    controller.abort('enough');
    expect(await ref).toBe('enough');
  });

  remedy('Request, Response', 'their parts', async () => {
    const init_ = { method: 'PUT', body: 'asked', headers: { a: '1' } };
    const request = new Request('http://localhost/x', init_);
    const { headers, method } = request;
    const asked = await there(
      async (address, given) => {
        const made = new Request(address, given);
        return [made.url, made.method, made.headers.get('a'), await made.text()];
      },
      request.url,
      { method, headers, body: await request.arrayBuffer() },
    );
    expect(asked).toEqual(['http://localhost/x', 'PUT', '1', 'asked']);

    const response = new Response('said', { status: 201, headers: { b: '2' } });
    const said = await there(
      async (body, given) => {
        const made = new Response(body, given);
        return [made.status, made.headers.get('b'), await made.text()];
      },
      await response.arrayBuffer(),
      { status: response.status, headers: response.headers },
    );
    expect(said).toEqual([201, '2', 'said']);
  });

  remedy('ReadableStream, ReadStream', 'where it is read, or what it holds', async () => {
    const web = new Blob(['held']).stream() as unknown as Readable;
    expect(await there((text) => text, await consumers.text(web))).toBe('held');
    expect(
      await there((bytes) => bytes.length, await consumers.buffer(Readable.from(['ab']))),
    ).toBe(2);
    const file = import.meta.filename;
    const read = await there(async (name) => consumers.text(fs.createReadStream(name)), file);
    expect(read).toBe(fs.readFileSync(file, 'utf8'));
  });

  remedy('TextDecoder, CountQueuingStrategy', 'where it is used', async () => {
    const made = await there(
      (bytes) => {
        const { highWaterMark } = new CountQueuingStrategy({ highWaterMark: 3 });
        return [new TextDecoder('latin1').decode(bytes), highWaterMark];
      },
      new Uint8Array([228]),
    );
    expect(made).toEqual(['ä', 3]);
  });

  remedy('EventTarget, EventEmitter', 'in an actor', async () => {
    class Bus extends EventEmitter {
      heard: unknown[] = [];
      listen(): void {
        this.on('said', (what) => this.heard.push(what));
      }
      say(what: string): unknown[] {
        this.emit('said', what);
        return this.heard;
      }
    }
    const bus = remote(
      class {
        bus = new Bus();
        target = new EventTarget();
        start(): void {
          this.bus.listen();
          this.target.addEventListener('x', () => this.bus.say('x'));
        }
        say(what: string): unknown[] {
          this.target.dispatchEvent(new Event('x'));
          return this.bus.say(what);
        }
      },
    ).remote();
    await get(bus.start.remote());
    expect(await get(bus.say.remote('y'))).toEqual(['x', 'y']);
    kill(bus);
  });

  remedy('Event', 'what is needed of it', async () => {
    const { type } = new Event('click');
    expect(await there((name) => new Event(name).type, type)).toBe('click');
  });

  remedy('MessagePort, Worker', 'an actor, or refs', async () => {
    const echo = remote(
      class {
        answer(ref: { ref: eagleray.ObjectRef<number> }): Promise<number> {
          return get(ref.ref);
        }
      },
    ).remote();
    expect(await get(echo.answer.remote({ ref: put(7) }))).toBe(7);
    kill(echo);
  });

  remedy('CryptoKey, KeyObject', 'exported and imported', async () => {
    const algorithm = { name: 'AES-GCM', length: 128 };
    const key = await globalThis.crypto.subtle.generateKey(algorithm, true, ['encrypt', 'decrypt']);
    const iv = new Uint8Array(12);
    const sealed = await there(
      async (raw, initial) => {
        const { subtle } = globalThis.crypto;
        const there_ = await subtle.importKey('raw', raw, 'AES-GCM', true, ['encrypt']);
        const sent = new TextEncoder().encode('secret');
        return subtle.encrypt({ name: 'AES-GCM', iv: initial }, there_, sent);
      },
      await globalThis.crypto.subtle.exportKey('raw', key),
      iv,
    );
    const opened = await globalThis.crypto.subtle.decrypt(
      { name: 'AES-GCM', iv },
      key,
      sealed as ArrayBuffer,
    );
    expect(new TextDecoder().decode(opened)).toBe('secret');

    const pair = crypto.generateKeyPairSync('ed25519');
    const signature = await there(
      (secret, exported) => {
        const mac = crypto.createHmac('sha256', crypto.createSecretKey(secret)).update('x');
        const own = crypto.createPrivateKey({ key: exported, format: 'der', type: 'pkcs8' });
        return [mac.digest('hex'), crypto.sign(null, Buffer.from('x'), own)];
      },
      crypto.createSecretKey(Buffer.from('k')).export(),
      pair.privateKey.export({ format: 'der', type: 'pkcs8' }),
    );
    const [mac, signed] = signature as [string, Buffer];
    expect(mac).toBe(crypto.createHmac('sha256', 'k').update('x').digest('hex'));
    expect(crypto.verify(null, Buffer.from('x'), pair.publicKey, signed)).toBe(true);
  });

  remedy('URLPattern', 'its parts', async () => {
    if (globals['URLPattern'] === undefined) return;
    const parts = { pathname: '/:id' };
    const matches = await there((given) => {
      const Pattern = (globalThis as never as { URLPattern: new (value: unknown) => never })
        .URLPattern;
      return (new Pattern(given) as { test(value: unknown): boolean }).test({ pathname: '/1' });
    }, parts);
    expect(matches).toBe(true);
  });

  remedy('PerformanceEntry, PerformanceObserverEntryList', 'their data', async () => {
    const entry = performance.mark('here');
    expect(await there((data) => (data as { name: string }).name, entry.toJSON())).toBe('here');
    const names = await new Promise<unknown>((resolve) => {
      const observer = new PerformanceObserver((list) => {
        observer.disconnect();
        const all = list.getEntries().map((each) => each.toJSON() as { name: string });
        resolve(there((data) => data.map(({ name }) => name), all));
      });
      observer.observe({ entryTypes: ['mark'] });
      performance.mark('observed');
    });
    expect(names).toEqual(['observed']);
  });

  remedy('PerformanceObserver', 'where it is used', async () => {
    const seen = await there(async () => {
      const list = await new Promise<string[]>((resolve) => {
        const observer = new PerformanceObserver((entries) => {
          observer.disconnect();
          resolve(entries.getEntries().map(({ name }) => name));
        });
        observer.observe({ entryTypes: ['mark'] });
        performance.mark('there');
      });
      return list;
    });
    expect(seen).toEqual(['there']);
  });

  remedy('WebAssembly.Module, WebAssembly.Instance', 'the bytes of the module', async () => {
    const answer = await there((bytes) => {
      const { Instance, Module: Compiled } = (globalThis as never as { WebAssembly: typeof wasm })
        .WebAssembly;
      return new Instance!(new Compiled!(bytes)).exports['answer']!();
    }, compiled);
    expect(answer).toBe(42);
  });

  remedy('WebAssembly.Instance, WebAssembly.Table, WASI', 'in an actor', async () => {
    const holder = remote(
      class {
        instance: { exports: Record<string, () => number> };
        constructor(bytes: Uint8Array) {
          const all = (globalThis as never as { WebAssembly: typeof wasm }).WebAssembly;
          this.instance = new all['Instance']!(new all['Module']!(bytes));
        }
        answer(): number {
          return this.instance.exports['answer']!();
        }
      },
    ).remote(compiled);
    expect(await get(holder.answer.remote())).toBe(42);
    kill(holder);
  });

  remedy('WebAssembly.Memory', 'a copy of its bytes', async () => {
    const memory = new wasm['Memory']!({ initial: 1 }) as unknown as { buffer: ArrayBuffer };
    new Uint8Array(memory.buffer)[9] = 9;
    expect(await there((bytes) => new Uint8Array(bytes)[9], memory.buffer)).toBe(9);
    const shared = new wasm['Memory']!({ initial: 1, maximum: 1, shared: true }) as never as {
      buffer: SharedArrayBuffer;
    };
    new Uint8Array(shared.buffer)[9] = 9;
    expect(await there((bytes) => bytes[9], new Uint8Array(shared.buffer).slice())).toBe(9);
  });

  remedy('Storage', 'its entries', async () => {
    // Older Nodes have none.
    const { sessionStorage } = globalThis as { sessionStorage?: Record<string, string> };
    if (sessionStorage === undefined) return;
    sessionStorage['a'] = '1';
    expect(await there((given) => given, { ...sessionStorage })).toEqual({ a: '1' });
  });
});

describe('Node', () => {
  remedy('Agent, ClientRequest, Socket, Server', 'in an actor', async () => {
    const server = remote(
      class {
        agent = new http.Agent({ keepAlive: true });
        server = http.createServer((_, response) => response.end('served'));
        async listen(): Promise<number> {
          this.server.listen(0, '127.0.0.1');
          await once(this.server, 'listening');
          return (this.server.address() as net.AddressInfo).port;
        }
        async ask(port: number): Promise<string> {
          const asked = http.get({ port, host: '127.0.0.1', agent: this.agent });
          const [answer] = (await once(asked, 'response')) as [http.IncomingMessage];
          return consumers.text(answer);
        }
        close(): void {
          this.agent.destroy();
          this.server.close();
        }
      },
    ).remote();
    const port = await get(server.listen.remote());
    expect(await get(server.ask.remote(port))).toBe('served');
    await get(server.close.remote());
    kill(server);
  });

  remedy('AsyncLocalStorage, AsyncResource', 'where it is used', async () => {
    const stored = await there(() => {
      const storage = new AsyncLocalStorage<number>();
      return storage.run(5, () => new AsyncResource('X').runInAsyncScope(() => storage.getStore()));
    });
    expect(stored).toBe(5);
  });

  remedy('BlockList, SocketAddress', 'what it was made of', async () => {
    const blocked = await there(
      (addresses) => {
        const list = new net.BlockList();
        for (const each of addresses) list.addAddress(each);
        return [list.check('10.0.0.1'), list.check('10.0.0.2')];
      },
      ['10.0.0.1'],
    );
    expect(blocked).toEqual([true, false]);
    const { address, family, port } = new net.SocketAddress({ address: '10.0.0.1', port: 80 });
    const after = await there((given) => new net.SocketAddress(given).port, {
      address,
      family,
      port,
    });
    expect(after).toBe(80);
  });

  remedy('Channel, BoundedChannel', 'its name', async () => {
    const { name } = diagnostics.channel('told');
    const told = await there((given) => {
      const all: unknown[] = [];
      const channel = diagnostics.channel(given);
      channel.subscribe((message) => all.push(message));
      channel.publish('x');
      return all;
    }, name as string);
    expect(told).toEqual(['x']);
  });

  remedy('ChildProcess', 'in an actor', async () => {
    const runner = remote(
      class {
        child: ChildProcess | undefined;
        async run(executable: string): Promise<string> {
          const code = "process.stdin.on('data', (text) => process.stdout.write(text))";
          this.child = execFile(executable, ['-e', code]);
          this.child.stdin!.write('echo');
          const [said] = (await once(this.child.stdout!, 'data')) as [string];
          return said;
        }
        async end(): Promise<unknown> {
          this.child!.stdin!.end();
          const [code] = (await once(this.child!, 'exit')) as [number];
          return code;
        }
      },
    ).remote();
    expect(await get(runner.run.remote(process.execPath))).toBe('echo');
    expect(await get(runner.end.remote())).toBe(0);
    kill(runner);
  });

  remedy('Cipheriv, Hash, Sign, Verify', 'what they give', async () => {
    const key = Buffer.alloc(16, 1);
    const cipher = crypto.createCipheriv('aes-128-ctr', key, key);
    const sealed = Buffer.concat([cipher.update('text'), cipher.final()]);
    const clear = await there(
      (bytes, by) => {
        const decipher = crypto.createDecipheriv('aes-128-ctr', by, by);
        return decipher.update(bytes, undefined, 'utf8') + decipher.final('utf8');
      },
      sealed,
      key,
    );
    expect(clear).toBe('text');
    const { privateKey, publicKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
    const signature = crypto.createSign('sha256').update('x').sign(privateKey);
    const isRight = crypto.createVerify('sha256').update('x').verify(publicKey, signature);
    const digest = crypto.createHash('sha256').update('x').digest();
    expect(await there((a, b, c) => [a.length, b, c.length], signature, isRight, digest)).toEqual([
      256,
      true,
      32,
    ]);
  });

  remedy('Console', 'the console there, or in an actor', async () => {
    const lines = await there(() => {
      const written: string[] = [];
      const sink = new Writable({
        write(chunk, _encoding, done) {
          written.push(String(chunk));
          done();
        },
      });
      new Console(sink).log('said');
      return written;
    });
    expect(lines).toEqual(['said\n']);
  });

  remedy('DefaultSerializer', 'the bytes', async () => {
    const value = await there((bytes) => v8.deserialize(bytes) as unknown, v8.serialize([1, 'x']));
    expect(value).toEqual([1, 'x']);
  });

  remedy('DiffieHellman, ECDH', 'of the bytes of its key', async () => {
    const ours = crypto.createECDH('secp256k1');
    const theirs = crypto.createECDH('secp256k1');
    ours.generateKeys();
    theirs.generateKeys();
    const secret = await there(
      (key, other) => {
        const made = crypto.createECDH('secp256k1');
        made.setPrivateKey(key);
        return made.computeSecret(other);
      },
      ours.getPrivateKey(),
      theirs.getPublicKey(),
    );
    expect(secret).toEqual(theirs.computeSecret(ours.getPublicKey()));
  });

  remedy('Dir, FileHandle, DirentFromStats, FSWatcher', 'its path', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'remedies-'));
    try {
      fs.writeFileSync(path.join(folder, 'a'), 'inside');
      const names = await there(async (name) => {
        const found: string[] = [];
        for await (const each of await fs.promises.opendir(name)) found.push(each.name);
        const handle = await open(path.join(name, 'a'));
        const text = await handle.readFile('utf8');
        await handle.close();
        return [...found, text];
      }, folder);
      expect(names).toEqual(['a', 'inside']);
      const watched = await there(async (name) => {
        const watcher = fs.watch(name);
        const changed = once(watcher, 'change');
        fs.writeFileSync(path.join(name, 'b'), '');
        const [, what] = (await changed) as [string, string];
        watcher.close();
        return what;
      }, folder);
      expect(watched).toBe('b');
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });

  remedy('GCProfiler, Session', 'where it is used', async () => {
    const result = await there(() => {
      const profiler = new v8.GCProfiler();
      profiler.start();
      const session = new inspector.Session();
      session.connect();
      let value: unknown;
      session.post('Runtime.evaluate', { expression: '1 + 1' }, (_, given) => {
        value = given.result.value;
      });
      session.disconnect();
      return [value, typeof profiler.stop()];
    });
    expect(result).toEqual([2, 'object']);
  });

  remedy('Histogram', 'its numbers', async () => {
    const histogram = createHistogram();
    histogram.record(5);
    const json = (histogram as unknown as { toJSON(): { count: number; max: number } }).toJSON();
    expect(await there((given) => [given.count, given.max], json)).toEqual([1, 5]);
  });

  remedy('Immediate, Timeout', 'where it shall run', async () => {
    const ran = await there(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return delay(1, 'ran');
    });
    expect(ran).toBe('ran');
  });

  remedy('IncomingMessage', 'what is needed of it', async () => {
    const server = http.createServer((request, response) => {
      const { headers, method, url: address } = request;
      consumers
        .text(request)
        .then((body) => there((given) => given, { headers, method, address, body }))
        .then((answer) => response.end(JSON.stringify(answer)), response.destroy.bind(response));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const options = { port, host: '127.0.0.1', method: 'POST', path: '/p', headers: { x: 'y' } };
    const asked = http.request(options).end('body');
    const [answer] = (await once(asked, 'response')) as [http.IncomingMessage];
    const said = JSON.parse(await consumers.text(answer)) as Record<string, unknown>;
    server.close();
    expect(said).toMatchObject({ method: 'POST', address: '/p', body: 'body' });
    expect(said['headers']).toMatchObject({ x: 'y' });
  });

  remedy('MIMEType, MIMEParams', 'its text', async () => {
    const type = new util.MIMEType('text/plain; charset=latin1');
    const after = await there(
      (text) => new util.MIMEType(text).params.get('charset'),
      String(type),
    );
    expect(after).toBe('latin1');
    expect(await there((entries) => entries, [...type.params])).toEqual([['charset', 'latin1']]);
  });

  remedy('Module', 'imported there, or what it exports', async () => {
    const loaded = new Module('x');
    loaded.exports = { a: 1 };
    expect(await there((given) => given as unknown, loaded.exports as object)).toEqual({ a: 1 });
    const name = await there(async () => {
      const { basename } = await import('node:path');
      return basename('/a/b');
    });
    expect(name).toBe('b');
  });

  remedy('Resolver', 'where it is used', async () => {
    const servers = await there(() => {
      const resolver = new dns.Resolver();
      resolver.setServers(['127.0.0.1']);
      return resolver.getServers();
    });
    expect(servers).toEqual(['127.0.0.1']);
  });

  remedy('Script', 'its text', async () => {
    expect(await there((text) => new vm.Script(text).runInThisContext() as number, '1 + 2')).toBe(
      3,
    );
  });

  remedy('SourceMap', 'its payload', async () => {
    const map = new SourceMap({
      version: 3,
      sources: ['a.ts'],
      names: [],
      mappings: 'AAAA',
      file: 'a.js',
      sourcesContent: [],
      sourceRoot: '',
    });
    const origin = await there(
      (payload) =>
        (new SourceMap(payload).findEntry(0, 0) as { originalSource: string }).originalSource,
      map.payload,
    );
    expect(origin).toBe('a.ts');
  });

  remedy('StatWatcher', 'its path', async () => {
    const watched = await there(() => {
      const watcher = fs.watchFile(process.execPath, () => undefined);
      fs.unwatchFile(process.execPath);
      return typeof watcher.ref;
    });
    expect(watched).toBe('function');
  });

  remedy('StringDecoder, Assert', 'where it is used', async () => {
    const text = await there(
      (bytes) => new StringDecoder('utf8').write(Buffer.from(bytes)),
      new TextEncoder().encode('ä'),
    );
    expect(text).toBe('ä');
  });

  remedy('Url', 'its text', async () => {
    // oxlint-disable-next-line typescript/no-deprecated
    const text = url.format(url.parse('http://x/p?q=1'));
    expect(await there((given) => new URL(given).search, text)).toBe('?q=1');
  });

  remedy('X509Certificate', 'its bytes', async () => {
    const certificate = new crypto.X509Certificate(tls.rootCertificates[0]!);
    const subject = await there((raw) => new crypto.X509Certificate(raw).subject, certificate.raw);
    expect(subject).toBe(certificate.subject);
  });
});

interface PerProcess {
  perProcess?<Value>(make: () => Value): () => Value;
}
const { perProcess } = eagleray as unknown as PerProcess;

test.skipIf(perProcess === undefined)('what belongs to a process is made in each', async () => {
  const emitter = perProcess!(() => new EventEmitter());
  const format = perProcess!(() => new Intl.NumberFormat('de'));
  const agent = perProcess!(() => new http.Agent());
  const use = remote(() => {
    emitter().on('x', () => undefined);
    return [emitter().listenerCount('x'), format().format(1.5), agent().maxSockets];
  });
  expect(await get(use.remote())).toEqual([1, '1,5', Infinity]);
});

test('every sentence has been tried', () => {
  const sentences = new Set([...tried].map((name) => REMEDIES[name]));
  const untried = Object.keys(REMEDIES).filter((name) => !sentences.has(REMEDIES[name]));
  expect(untried).toEqual([]);
});
