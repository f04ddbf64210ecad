// Tuning: what a trial costs, what a report costs, and what it takes to think of the next config.
//
// 1. The outputs are those of the defaults, and the reporter is silent. Trials run in worker processes.
// 2. What is timed of an experiment is `fit`, from its call to the end of its promise.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { gp, Study, tpe, Tuner, uniform } from 'eagleray/tune';
import { durationMs, median, repeat } from '../harness/measure.mjs';
import { doNothing, reportByTheClock } from './trainables.mjs';

const TRIALS = 10_000;
const TRIALS_AT_AN_END = 1_000;
const TRIALS_BEFORE_MEMORY_COUNTS = 2_000;
const MEMORY_EVERY_MS = 10;

const REPORTING_TRIALS = 4;
const REPORTS_PER_SECOND = 250;
/** Until the workers run and V8 has compiled what is used. */
const REPORTS_SETTLE_MS = 3_000;
const REPORTS_MEASURED_MS = 8_000;

/** Calls `use` with a folder for experiments, and removes that. */
async function withFolder(/** @type {(storagePath: string) => Promise<any>} */ use) {
  const folder = mkdtempSync(join(tmpdir(), 'eagleray-bench-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs `numSamples` trials that do nothing. */
function tryNothing(/** @type {string} */ storagePath, /** @type {number} */ numSamples) {
  return new Tuner(doNothing, { numSamples, reporter: 'silent', storagePath, name: 'bench' }).fit();
}

/** The times and the resident memory of this process while `work` runs. */
async function watchMemory(/** @type {() => Promise<any>} */ work) {
  const samples = [];
  const take = () => samples.push({ at: Date.now(), bytes: process.memoryUsage.rss() });
  const timer = setInterval(take, MEMORY_EVERY_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  take();
  return samples;
}

/** What the configs of a searcher's case are told: numbers that follow from a seed, and something to be smallest. */
function* randomNumbers(/** @type {number} */ seed) {
  let state = seed;
  for (;;) {
    // The generator of "Numerical Recipes", which is good enough for places in a cube.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

const lossOf = (/** @type {Record<string, number>} */ config) =>
  Object.values(config).reduce((sum, value) => sum + (value - 0.3) ** 2, 0);

/** How long each `ask` takes after `results` results in `dimensions` floats; each trial is told, too. */
async function askTimes(search, { results, dimensions, cycles }) {
  const names = Array.from({ length: dimensions }, (_, index) => `x${index}`);
  const random = randomNumbers(1);
  const knownResults = Array.from({ length: results }, () => {
    const config = Object.fromEntries(names.map((name) => [name, random.next().value]));
    return { config, metrics: { loss: lossOf(config) } };
  });
  const space = Object.fromEntries(names.map((name) => [name, uniform(0, 1)]));
  const study = new Study({ space, metric: 'loss', mode: 'min', search, seed: 1, knownResults });
  return repeat(cycles, async () => {
    let trial;
    const ms = await durationMs(() => {
      trial = study.ask();
    });
    study.tell(trial, { loss: lossOf(trial.config) });
    return ms;
  });
}

export const tuneCases = {
  'tune-100': {
    async run() {
      const ms = await withFolder((folder) => durationMs(() => tryNothing(folder, 100)));
      return { rows: { 'tune-100': [ms] } };
    },
  },
  'tune-10k': {
    async run() {
      return withFolder(async (folder) => {
        let results;
        let ms;
        const memory = await watchMemory(async () => {
          ms = await durationMs(async () => {
            results = await tryNothing(folder, TRIALS);
          });
        });
        const startOf = (/** @type {number} */ number) => results.at(number).startedAt;
        const firstMs = startOf(TRIALS_AT_AN_END) - startOf(0);
        const lastMs = startOf(TRIALS - 1) - startOf(TRIALS - 1 - TRIALS_AT_AN_END);
        const from = startOf(TRIALS_BEFORE_MEMORY_COUNTS);
        const bytes = memory.at(-1).bytes - memory.find(({ at }) => at >= from).bytes;
        return {
          rows: {
            'tune-10k': [ms / TRIALS],
            'tune-10k-slower': [lastMs / firstMs],
            'tune-10k-memory': [bytes / 1_024 / (TRIALS - TRIALS_BEFORE_MEMORY_COUNTS)],
          },
          details: { firstMs, lastMs, bytesAtTheEnd: memory.at(-1).bytes },
        };
      });
    },
  },
  'tune-reports': {
    async run({ quick }) {
      const measuredMs = quick ? REPORTS_MEASURED_MS / 4 : REPORTS_MEASURED_MS;
      // A second more, so that all of them still run when the measurement ends.
      const seconds = (REPORTS_SETTLE_MS + measuredMs) / 1_000 + 1;
      const space = { reports: seconds * REPORTS_PER_SECOND, perSecond: REPORTS_PER_SECOND };
      return withFolder(async (folder) => {
        const began = process.cpuUsage();
        const start = performance.now();
        const ends = new Tuner(reportByTheClock, {
          space,
          metric: 'loss',
          mode: 'min',
          numSamples: REPORTING_TRIALS,
          resources: { numCpus: 0.5 },
          reporter: 'silent',
          storagePath: folder,
          name: 'bench',
        }).fit();
        await setTimeout(REPORTS_SETTLE_MS);
        const journal = join(folder, 'bench/journal.log');
        const reportsBefore = reportsIn(journal);
        const from = { cpu: process.cpuUsage(), at: performance.now() };
        await setTimeout(measuredMs);
        const used = process.cpuUsage(from.cpu);
        const ms = performance.now() - from.at;
        const reports = reportsIn(journal) - reportsBefore;
        const results = await ends;
        const all = process.cpuUsage(began);
        const allMs = performance.now() - start;
        const expected = space.reports * REPORTING_TRIALS;
        if (reportsIn(journal) !== expected || results.at(0).history.length !== space.reports) {
          throw new Error(`the journal has ${reportsIn(journal)} reports of ${expected}`);
        }
        return {
          rows: {
            'tune-reports': [share(used, ms)],
            'tune-reports-rate': [(reports * 1_000) / ms],
          },
          details: { shareOfAllOfIt: share(all, allMs), user: used.user, system: used.system },
        };
      });
    },
  },
  'tune-tpe': {
    startsItself: true,
    async run() {
      const ms = await askTimes(tpe(), { results: 1_000, dimensions: 20, cycles: 50 });
      return { rows: { 'tune-tpe': [median(ms)] }, details: { ms } };
    },
  },
  'tune-gp': {
    startsItself: true,
    async run() {
      const ms = await askTimes(gp(), { results: 500, dimensions: 10, cycles: 10 });
      // The mean: most cycles go on from the last fit, and the few that fit anew are to count.
      return {
        rows: { 'tune-gp': [ms.reduce((sum, one) => sum + one) / ms.length] },
        details: { ms },
      };
    },
  },
};

/** Processor time as a share of a core, in per cent. */
function share({ user, system }, /** @type {number} */ ms) {
  return ((user + system) / 1_000 / ms) * 100;
}

function reportsIn(/** @type {string} */ journal) {
  return readFileSync(journal, 'latin1').split('"eagleray:report"').length - 1;
}
