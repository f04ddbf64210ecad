/** The driver's side: starting and ending a runtime. */

import { fstatSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { textWithStack } from './error-stack.ts';
import { AlreadyInitializedError, NotInitializedError, NotSupportedError } from './errors.ts';
import { DumpFilter } from './fatal-dump.ts';
import { LogOutput, wantsColour } from './log-output.ts';
import { native } from './native.ts';
import { type NormalizedInitOptions, normalizeInitOptions } from './options.ts';
import { printAtEnd, printWhileBlocked, printWithoutFail } from './printing.ts';
import { ProgressLine } from './progress-line.ts';
import { disposeOfAll, tellOfDisposals } from './runtime/disposals.ts';
import { giveAllBack } from './runtime/per-process-travel.ts';
import { setSession, sessionIfAny, useAutoStart } from './runtime/current.ts';
import { fromNative } from './runtime/records.ts';
import type { Runtime, Settings } from './runtime/runtime.ts';
import { NativeSession } from './runtime/session.ts';
import { entryUrls, execArgvForWorkers } from './shipping/index.ts';
import type { InitContext, NodeInfo } from './types.ts';

/** Part of the memory that the object store may take unless `objectStoreMemory` says otherwise, as in Ray. */
const STORE_FRACTION = 0.3;

interface Driver {
  readonly session: Runtime;
  readonly logs: LogOutput;
  readonly context: InitContext;
  /** Says on a terminal that a `get` waits, until what it returns is called. */
  readonly waiting: () => () => void;
}

const PAGE_BYTES = 4096;

let driver: Driver | undefined;

/** How lines of workers, and of the runtime, reach the terminal. */
let print: (stream: NodeJS.WritableStream, text: string) => void = printWithoutFail;

/** True in workers: they have a session of their own, and never start a runtime. */
let inWorker = false;

export function markWorker(): void {
  inWorker = true;
}

/** A thread has no part in its worker's runtime. Another one for it would be a full set of workers, for each task once. */
function refuseThreadOfWorker(): void {
  if (inWorker || !native().isWorkerProcess()) return;
  throw new NotSupportedError(
    'a thread that a task or actor has started can not use eagleray: call it in the task itself, or start tasks instead of ' +
      'threads',
  );
}

/** Calls back when this process starts its first runtime, in the middle of `init`. */
export function whenStarted(callback: () => void): void {
  started = callback;
}

let started: () => void = () => undefined;

function start(options: NormalizedInitOptions): Driver {
  refuseThreadOfWorker();
  const core = native();
  const machine = core.detectMachine();
  const cpus = options.numCpus ?? machine.cpus;
  const gpuIds = options.numGpus === null ? machine.gpuIds : core.gpuIdsFor(options.numGpus);
  const storeWanted = options.objectStoreMemory ?? machine.memory * STORE_FRACTION;
  // The store has whole pages, so that what is available is never more than what there is.
  const storeBytes = Math.ceil(storeWanted / PAGE_BYTES) * PAGE_BYTES;
  const resources: Record<string, number> = {
    CPU: cpus,
    GPU: gpuIds.length,
    memory: Math.max(0, machine.memory - storeBytes),
    ...options.resources,
  };
  const nodeId = core.randomId(14);
  const settings: Settings = {
    jobId: core.randomId(4),
    nodeId,
    sessionDir: options.spillDirectory ?? join(tmpdir(), `eagleray-${nodeId.slice(0, 12)}`),
    namespace: options.namespace ?? `anonymous-${nodeId.slice(0, 12)}`,
    resources: { ...resources, objectStoreMemory: storeBytes },
    entryUrls: entryUrls(),
  };
  const environment = { ...process.env, ...options.env };
  const execArgv = options.workerExecArgv ?? execArgvForWorkers(process.execArgv);
  const logs = new LogOutput(
    (text) => print(process.stdout, text),
    (text) => print(process.stderr, text),
    {
      // The streams are made at their first use, which loads thirty parts of Node: not while workers start.
      wantsColour: (stream) => wantsColour(process[stream]),
    },
  );
  const dumps = new DumpFilter();
  let runtime;
  try {
    runtime = core.startDriver({
      resources: Object.entries(resources).map(([name, quantity]) => ({ name, quantity })),
      gpuIds,
      storeBytes,
      program: process.execPath,
      arguments: [...execArgv, fileURLToPath(new URL('./worker.cjs', import.meta.url))],
      workingDirectory: process.cwd(),
      environment: Object.entries(environment)
        .filter((entry): entry is [string, string] => entry[1] !== undefined)
        .map(([name, value]) => ({ name, value })),
      settings: JSON.stringify(settings),
      workerStartTimeoutMs: options.workerStartTimeoutMs,
    });
  } catch (error) {
    throw fromNative(error);
  }
  const session: NativeSession = new NativeSession(
    runtime,
    {
      output: (name, pid, isError, text) => {
        if (!options.logToDriver) return;
        dumps.line(pid, isError, text, () =>
          logs.line(name, pid, isError ? 'stderr' : 'stdout', text),
        );
      },
      whileBlocked: (read) => {
        const before = print;
        print = printWhileBlocked;
        try {
          read();
        } finally {
          print = before;
        }
      },
      unhandled: (error) => reportUnhandled(error),
      cancelled: () => undefined,
      functionForgotten: () => undefined,
      exit: () => undefined,
      runtimeEnds: () => undefined,
      ended: (reason) => {
        dumps.flush();
        logs.flush();
        // Not of a worker, so that it is not what logToDriver is about.
        if (reason !== undefined && !options.logToDriver) print(process.stderr, `${reason}\n`);
        if (driver?.session === session) driver = undefined;
        setSession(undefined);
        giveAllBack();
        process.off('exit', onExit);
        process.off('beforeExit', beforeExit);
      },
    },
    false,
  );
  // The raylet's thread must have ended its workers before the process does.
  const onExit = (): void => {
    print = printAtEnd;
    session.endAtOnce();
  };
  process.on('exit', onExit);
  // While the event loop still turns, a slow reader of this program's output gets all of it.
  const beforeExit = (): void => session.drainOutput();
  process.once('beforeExit', beforeExit);
  let progress: ProgressLine | undefined;
  const waiting = (): (() => void) => {
    progress ??= new ProgressLine({
      stream: process.stderr,
      guarded: [process.stdout, process.stderr],
      wanted: options.logToDriver,
      read: () => {
        const { finished, inFlight, open } = runtime.statistics();
        return { done: finished, running: inFlight, pending: Math.max(0, open - inFlight) };
      },
    });
    return progress.waiting();
  };
  setSession(session);
  driver = { session, logs, context: contextOf(session), waiting };
  started();
  started = () => undefined;
  return driver;
}

/** What `init` gives. In a worker, disposing of it ends nothing. */
function contextOf(session: Runtime): InitContext {
  const { nodeId, resources, sessionDir } = session.settings;
  return Object.freeze({
    address: null,
    nodeId,
    sessionDir,
    resources: Object.freeze({ ...resources }),
    // A context that is disposed of late must not end a runtime that was started after its own.
    [Symbol.asyncDispose]: async () => {
      if (driver?.session === session) await shutdown();
    },
  });
}

function reportUnhandled(error: unknown): void {
  print(process.stderr, textOfUnhandled(error));
}

/** What is printed of an error that nobody has looked at. */
export function textOfUnhandled(error: unknown): string {
  return `Unhandled task error (nobody called get on its ref):\n${textWithStack(error)}\n`;
}

/** A program that ends without `shutdown()` ends in order too, unless it calls `process.exit()`. */
const disposeBeforeExit = (): void => void disposeOfAll();
tellOfDisposals((hasAny) => {
  if (hasAny) process.on('beforeExit', disposeBeforeExit);
  else process.off('beforeExit', disposeBeforeExit);
});

useAutoStart(() => {
  if (inWorker) throw new NotInitializedError('this worker has lost its runtime');
  return start(normalizeInitOptions()).session;
});

export async function init(options?: unknown): Promise<InitContext> {
  const normalized = normalizeInitOptions(options);
  if (driver?.session.isEnding === true) await shutdown();
  const running = sessionIfAny();
  if (running !== undefined) {
    if (normalized.ignoreReinitError) return driver?.context ?? contextOf(running);
    throw new AlreadyInitializedError(
      inWorker
        ? 'init() was called inside a task or actor, which belongs to a runtime already'
        : '',
    );
  }
  return start(normalized).context;
}

export async function shutdown(): Promise<void> {
  const ending = driver;
  if (ending !== undefined) {
    await ending.session.shutDown();
    ending.logs.flush();
  }
  // In a worker it ends nothing, and what the worker has is in use.
  if (!inWorker) await disposeOfAll();
}

export function isInitialized(): boolean {
  return sessionIfAny() !== undefined;
}

/** Shows on a terminal that the program waits; the result ends it. */
export function showWaiting(): () => void {
  if (!isOnTerminal() || process.stderr.isTTY !== true) return NOTHING_SHOWN;
  return driver?.waiting() ?? NOTHING_SHOWN;
}

/** Whether standard error can be a terminal at all, known without making its stream. */
function isOnTerminal(): boolean {
  try {
    return (mayBeTerminal ??= fstatSync(STDERR).isCharacterDevice());
  } catch {
    // It is closed.
    return (mayBeTerminal = false);
  }
}

const STDERR = 2;
let mayBeTerminal: boolean | undefined;

/** What `showWaiting` gives when nothing is shown. */
export const NOTHING_SHOWN = (): void => undefined;

function requireSession(call: string): Runtime {
  const session = sessionIfAny();
  if (session === undefined)
    throw new NotInitializedError(`${call} needs a running runtime; call init() first`);
  return session;
}

export function clusterResources(): Record<string, number> {
  return { ...requireSession('clusterResources()').settings.resources };
}

export function availableResources(): Record<string, number> {
  const session = requireSession('availableResources()');
  const node = session.node();
  const available: Record<string, number> = {};
  for (const name of Object.keys(session.settings.resources)) available[name] = 0;
  for (const { name, quantity } of node.available) available[name] = quantity;
  available['objectStoreMemory'] = node.storeTotal - node.storeUsed;
  return available;
}

export function nodes(): NodeInfo[] {
  const { settings } = requireSession('nodes()');
  return [
    {
      nodeId: settings.nodeId,
      alive: true,
      hostname: hostname(),
      resources: { ...settings.resources },
    },
  ];
}
