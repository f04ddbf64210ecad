// What the runtime costs before it does anything: time to start, memory, disk.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { get, init, remote } from 'eagleray';
import run from '../compare/pools/workers/functions.mjs';
import { durationMs } from '../harness/measure.mjs';
import { treeMemory } from '../harness/process-tree.mjs';
import { smallValue } from './remote-code.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TASKS_TO_USE_BOTH_WORKERS = 1_000;
const SETTLE_MS = 1_000;

const sum = (/** @type {number[]} */ values) => values.reduce((total, value) => total + value, 0);

/** The size of everything below `directory`, in bytes. */
function directoryBytes(/** @type {string} */ directory) {
  return sum(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath ?? entry.path, entry.name)).size),
  );
}

/** What the pools run at their start, from the same module: another one costs each side what it imports itself. */
const emptyTask = remote(run);

export const footprintCases = {
  init: {
    startsItself: true,
    async run() {
      const ms = await durationMs(async () => {
        await init({ numCpus: 2 });
        await get(emptyTask.remote());
      });
      // performance.now() counts from the start of the process.
      return { rows: { init: [ms] }, details: { msSinceProcessStart: performance.now() } };
    },
  },
  memory: {
    async run() {
      await get(Array.from({ length: TASKS_TO_USE_BOTH_WORKERS }, () => smallValue.remote()));
      await setTimeout(SETTLE_MS);
      const { bytes, processes } = treeMemory(process.pid);
      return { rows: { memory: [bytes / 1e6] }, details: { processes } };
    },
  },
  'installed-size': {
    startsItself: true,
    async run() {
      const { dependencies = {} } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
      const [packed] = JSON.parse(
        execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
          cwd: ROOT,
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        }),
      );
      const files = packed.files.map((file) => file.path);
      const bytesByPart = { package: packed.unpackedSize };
      // The binary is in a package of its own for each platform; an installation has exactly one of them.
      if (!files.some((file) => file.endsWith('.node'))) {
        const binary = [join(ROOT, 'bindings/native'), join(ROOT, 'dist'), ROOT]
          .filter((directory) => existsSync(directory))
          .flatMap((directory) => readdirSync(directory).map((file) => join(directory, file)))
          .find((file) => file.endsWith('.node'));
        if (binary === undefined) throw new Error('there is no native binary: build it first');
        bytesByPart.binary = statSync(binary).size;
      }
      for (const name of Object.keys(dependencies)) {
        bytesByPart[name] = directoryBytes(join(ROOT, 'node_modules', name));
      }
      return {
        rows: { 'installed-size': [sum(Object.values(bytesByPart)) / 1e6] },
        details: { bytesByPart },
      };
    },
  },
};
