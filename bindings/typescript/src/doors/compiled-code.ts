/**
 * The code that V8 has compiled of the SDK, kept from one process to the next: without it a worker is ready 15 to 20 ms later,
 * and a driver has its first result 10 ms later.
 *
 * From 22.1 on Node can do so itself (`module.enableCompileCache`), for all modules, and writes when a process exits; workers
 * are killed more often. This does it for one file, in a folder of its own in the same place, and heeds the same two variables.
 * Workers write it twice: with what loading needs as soon as it is loaded, because many a worker lives only for moments, and once
 * more when they have run for a while. Drivers run other functions of the SDK, and keep the code of those.
 *
 * A cache, so nothing depends on it: where it can't be read or written, the code is compiled.
 */

import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import Module, { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';

/** Others must not be able to put code there that this process runs. */
const FOLDER_MODE = 0o700;
const WRITABLE_BY_OTHERS = 0o022;

/** Code. What a process writes, or did when it was killed, has its number at the end. */
const CODE = /\.(?:loaded|used|driver)(?<part>\.\d+)?$/;

/** Writing takes milliseconds; after so long nobody does any more. */
const PART_IS_OLD_AFTER_MS = 60_000;

/** So old code is of a version or a place that has gone, as a rule; else it is made anew. */
const CODE_IS_OLD_AFTER_MS = 30 * 24 * 3_600_000;

/** A process that has run so long has, as a rule, run the functions that such processes run. */
export const USED_AFTER_MS = 200;

/** How much a process had done when its code was kept: a worker that has loaded, one that was used, a driver that has started. */
type Stage = 'loaded' | 'used' | 'driver';

/** What a process takes, the best first, if there is any. */
const STAGES: Readonly<Record<Role, readonly Stage[]>> = {
  worker: ['used', 'loaded'],
  driver: ['driver', 'used', 'loaded'],
};

/** What a process is, and with that which functions of the SDK it runs. */
export type Role = 'worker' | 'driver';

/** A module that was loaded with or without kept code. */
export interface LoadedModule {
  readonly exports: unknown;
  /** Keeps the code of all functions that have run by now, unless as much was kept before. False if there is nowhere to. */
  keep(stage: Stage): boolean;
}

/**
 * Loads a CommonJS module as `require` does, and makes it the one that `require` gives from now on.
 *
 * @param file its absolute path; it has nothing but ASCII
 * @param stamp names its content: V8 itself looks no further than its length
 */
export function loadCompiled(file: string, stamp: string, role: Role): LoadedModule {
  const folder = folderOfCode();
  const name = `${stamp}-${markOf(file)}`;
  const fileOf = (stage: Stage): string => join(folder ?? '', `${name}.${stage}`);
  const code = folder === undefined ? undefined : codeIn(folder, STAGES[role], fileOf);
  const [head] = Module.wrap('\n').split('\n') as [string];
  const script = new Script(Module.wrap(readFileSync(file, 'latin1')), {
    filename: file,
    columnOffset: -head.length,
    ...(code === undefined ? undefined : { cachedData: code.bytes }),
  });
  const require = createRequire(file);
  const module = new Module(file);
  module.filename = file;
  require.cache[file] = module;
  try {
    const run = script.runInThisContext() as (...parts: unknown[]) => void;
    run.call(module.exports, module.exports, require, module, file, dirname(file));
    module.loaded = true;
  } finally {
    if (!module.loaded) delete require.cache[file];
  }
  const stageInUse = script.cachedDataRejected === true ? undefined : code?.stage;
  return {
    exports: module.exports,
    keep: (stage) => {
      if (folder === undefined) return false;
      const stages = STAGES[role];
      const isKept =
        stageInUse !== undefined && stages.indexOf(stageInUse) <= stages.indexOf(stage);
      return isKept || keepAt(fileOf(stage), script);
    },
  };
}

/** Where code is kept; undefined if none is to be. */
function folderOfCode(): string | undefined {
  const { NODE_COMPILE_CACHE, NODE_DISABLE_COMPILE_CACHE } = process.env;
  const user = process.getuid?.();
  if (NODE_DISABLE_COMPILE_CACHE !== undefined || user === undefined) return undefined;
  return join(
    NODE_COMPILE_CACHE ?? tmpdir(),
    `eagleray-code-${process.version}-${process.arch}-${user}`,
  );
}

/** The flags by which programs change V8 as a rule. */
const V8_FLAGS =
  /--(?:expose|harmony|interpreted|jitless|max|min|no-opt|perf|stack)[\w-]*(?:[ =]\d+)?/g;

/**
 * Tells apart what is kept of one content. V8 takes no code that was kept under other flags, so workers of two heap sizes would
 * replace each other's for ever; of flags that aren't known here it says so itself. And it keeps the path of the file with the
 * code: the stacks of one installation would show the files of another.
 */
function markOf(file: string): string {
  const given = `${process.execArgv.join(' ')} ${process.env['NODE_OPTIONS'] ?? ''}`;
  const flags = given.match(V8_FLAGS)?.toSorted().join(' ') ?? '';
  const text = `${file} ${flags}`;
  let mark = 0;
  for (let index = 0; index < text.length; index++) {
    mark = (Math.imul(mark, 31) + text.charCodeAt(index)) >>> 0;
  }
  return mark.toString(36);
}

/** What an earlier process has kept: the best there is. */
function codeIn(
  folder: string,
  stages: readonly Stage[],
  fileOf: (stage: Stage) => string,
): { stage: Stage; bytes: Buffer } | undefined {
  for (const stage of stages) {
    try {
      if (isOurs(folder)) return { stage, bytes: readFileSync(fileOf(stage)) };
    } catch {
      // There is none.
    }
  }
  return undefined;
}

function keepAt(file: string, script: Script): boolean {
  try {
    const folder = dirname(file);
    makeFolder(folder, FOLDER_MODE);
    if (!isOurs(folder)) return false;
    // Other workers start at the same time: none may read half of it.
    const part = `${file}.${process.pid}`;
    writeFileSync(part, script.createCachedData());
    renameSync(part, file);
    removeOld(folder);
    return true;
  } catch {
    // The disk is full, or read-only: the next process compiles again.
    return false;
  }
}

/**
 * Makes a folder and those above it. Node's own `recursive` never returns below `/proc`, where the system says of each new folder
 * that the one above is missing, though it is there.
 */
function makeFolder(folder: string, mode?: number): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    // Other workers start at the same time.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Removes what processes had begun to write when they were killed, and code that nobody has replaced for long. */
function removeOld(folder: string): void {
  for (const name of readdirSync(folder)) {
    const code = CODE.exec(name);
    if (code === null) continue;
    const file = join(folder, name);
    // Other processes may do the same at this time.
    const found = lstatSync(file, { throwIfNoEntry: false });
    const isPart = code.groups?.['part'] !== undefined;
    const oldAfterMs = isPart ? PART_IS_OLD_AFTER_MS : CODE_IS_OLD_AFTER_MS;
    if (found !== undefined && Date.now() - found.mtimeMs > oldAfterMs)
      rmSync(file, { force: true });
  }
}

function isOurs(folder: string): boolean {
  const found = lstatSync(folder);
  const isSafe = found.uid === process.getuid?.() && (found.mode & WRITABLE_BY_OTHERS) === 0;
  return found.isDirectory() && isSafe;
}
