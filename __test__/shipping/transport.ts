/**
 * A driver's end of the smallest transport there is: functions travel to a child process through the real codec, run
 * there, and their results come back. It stands in for the runtime, so that shipping is tested alone.
 *
 * Bundled together with shipping itself (see `bundle.ts`), because the programs under test run on Nodes and loaders
 * that can't load TypeScript.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import {
  type DecodeHooks,
  Decoder,
  type EncodeHooks,
  Encoder,
  ValuePath,
  requiredModules,
} from '../../bindings/typescript/src/codec/index.ts';
import {
  Delivery,
  type Parser,
  type Probe,
  Shipment,
  entryUrls,
  execArgvForWorkers,
  load,
  moduleNamespace,
  moduleUrl,
  useEntryUrls,
  useParser,
  useProbe,
  useSdkExports,
} from '../../bindings/typescript/src/shipping/index.ts';

/** Stands for what the SDK exports. */
export function processOfSdk(): number {
  return process.pid;
}

/** Stands for an object that the SDK exports. */
export const sdkState = { pid: process.pid };

const require = createRequire(process.cwd() + '/');
const native = require(process.env['SHIPPING_PARSER']!) as Parser & Probe;
useParser(native);
// Without it, shipping has to do with what the inspector tells.
if (process.env['SHIPPING_PROBE'] !== 'none') useProbe(native);
useSdkExports({ processOfSdk, sdkState });

const encodeHooks = (): EncodeHooks => {
  const shipment = new Shipment();
  return {
    reference: () => undefined,
    describeFunction: (fn, path) => shipment.describe(fn, path),
    moduleUrl,
  };
};
const decodeHooks = (): DecodeHooks => {
  const delivery = new Delivery();
  return {
    reference() {
      throw new Error('there are no refs here');
    },
    constructFunction: (skeleton) => delivery.construct(skeleton),
    moduleNamespace,
    attach() {
      throw new Error('there is no shared memory here');
    },
  };
};

/** The envelope of a value. */
export function encode(value: unknown): Uint8Array {
  const encoder = new Encoder(encodeHooks());
  encoder.encode(value);
  return Uint8Array.from(encoder.bytes.subarray(0, encoder.length));
}

/** The value of an envelope, after the modules that it needs were loaded. */
export async function decode(bytes: Uint8Array): Promise<unknown> {
  await load(requiredModules(bytes));
  return new Decoder().decode(bytes, 0, bytes.length, decodeHooks());
}

/** What a worker answers. */
interface Answer {
  readonly value?: unknown;
  readonly error?: { readonly name: string; readonly message: string; readonly stack: string };
}

/** A worker process. */
export class RemoteProcess {
  readonly #child: ChildProcess;
  readonly #waiting: ((bytes: Uint8Array) => void)[] = [];

  constructor() {
    this.#child = spawn(
      process.execPath,
      [...execArgvForWorkers(process.execArgv), process.env['SHIPPING_WORKER']!],
      {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        serialization: 'advanced',
        env: { ...process.env, SHIPPING_ENTRIES: JSON.stringify(entryUrls()) },
      },
    );
    this.#child.on('message', (bytes: Uint8Array) => this.#waiting.shift()!(bytes));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Runs a function there. An error there is thrown here, with the stack of there. */
  async call(fn: Function, ...args: unknown[]): Promise<unknown> {
    const bytes = encode([fn, args]);
    const reply = await new Promise<Uint8Array>((resolve) => {
      this.#waiting.push(resolve);
      this.#child.send(bytes);
    });
    const answer = (await decode(reply)) as Answer;
    if (answer.error !== undefined) {
      throw Object.assign(new Error(answer.error.message), answer.error);
    }
    return answer.value;
  }

  end(): void {
    this.#child.disconnect();
  }
}

/** What a worker does with a message. */
export async function serve(message: Uint8Array): Promise<Uint8Array> {
  let answer: Answer;
  try {
    const [fn, args] = (await decode(message)) as [Function, unknown[]];
    const called = /^class\b/.test(Function.prototype.toString.call(fn))
      ? Reflect.construct(fn, args)
      : (fn as (...all: unknown[]) => unknown)(...args);
    answer = { value: await called };
    return encode(answer);
  } catch (error) {
    const { name, message: text, stack } = error as Error;
    return encode({ error: { name, message: text, stack: stack ?? '' } });
  }
}

/** The worker's end. */
export function serveParent(): void {
  useEntryUrls(JSON.parse(process.env['SHIPPING_ENTRIES']!) as string[]);
  let last = Promise.resolve();
  const answer = async (previous: Promise<void>, message: Uint8Array): Promise<void> => {
    await previous;
    process.send!(await serve(message));
  };
  process.on('message', (message: Uint8Array) => {
    // One message after the other, so that answers come in order.
    last = answer(last, message);
  });
}

const results: Record<string, unknown> = {};
let remote: RemoteProcess | undefined;

function worker(): RemoteProcess {
  return (remote ??= new RemoteProcess());
}

/** Runs a function in a worker and notes what it gave, as JSON, or how it failed. */
export async function scenario(name: string, fn: Function, ...args: unknown[]): Promise<unknown> {
  try {
    const value = await worker().call(fn, ...args);
    results[name] = value === undefined ? 'undefined' : value;
    return value;
  } catch (error) {
    const { name: kind, message, stack } = error as Error;
    results[name] = { error: `${kind}: ${message}`, stack };
    return undefined;
  }
}

/** Notes something that the program found out itself. */
export function note(name: string, value: unknown): void {
  results[name] = value;
}

/** How a function travels, `reference` or `value`, or why it can't. */
export function noteDescription(name: string, fn: Function): void {
  try {
    const { kind, title } = new Shipment().describe(fn, ValuePath.of('value'));
    results[name] = `${kind} ${title}`;
  } catch (error) {
    results[name] = (error as Error).message;
  }
}

/** The time to describe one function, in milliseconds: the first, and the mean of further ones. */
export function timing(make: (index: number) => Function): { first: number; mean: number } {
  const start = performance.now();
  const describe = (index: number): unknown =>
    new Shipment().describe(make(index), ValuePath.of('value'));
  describe(-1);
  const first = performance.now() - start;
  const count = 100;
  const begin = performance.now();
  for (let index = 0; index < count; index++) describe(index);
  return { first, mean: (performance.now() - begin) / count };
}

/** Ends the worker and writes what was noted. */
export function finish(): void {
  remote?.end();
  writeFileSync(process.env['SHIPPING_RESULTS']!, JSON.stringify(results, undefined, 1));
}
