// What has to be beaten: every row that the benchmarks measure, with its targets as data.
//
// `npm run bench`, `bench:compare`, `bench:ray` and `bench:tune` all read this table, so a figure means the same thing
// wherever it is printed. It holds no measuring code; that is in `ours/`, `compare/pools/` and `compare/ray/`.
//
// 1. A row id is unique, and it is the key under which a case reports its samples.
// 2. `must` compares with somebody else's figure of the same run, never with a recorded one, unless `limit` is set:
//    a limit is an absolute figure of ours.
// 3. A factor is always "how many times better": for a row where less is better, a factor of 10 means a tenth.

/**
 * @typedef {object} Must
 * @property {string} [than] whose figure ours is compared with: `ray`, `best pool`, or a reference that the case
 *   itself measures (`memcpy`, `first touch`, `asCompleted`)
 * @property {number} [times] how many times better than it ours must be
 * @property {number} [limit] or: an absolute bound in the row's unit
 *
 * @typedef {object} Row
 * @property {string} id key of the samples
 * @property {string} case the case of `ours/` that measures it; one case may feed several rows
 * @property {string} work what is done, in words
 * @property {'/s' | 'GB/s' | 'ms' | 'µs' | 'MB' | 'KiB' | 'bytes' | '%' | '×'} unit
 * @property {'higher' | 'lower'} better
 * @property {Must[]} must the "ours must" column; empty where a row is only for information
 * @property {Must[]} should the "ours should" column
 * @property {Record<string, number>} recorded figures of others, on the machine where the targets were set
 * @property {string} [note] what a reader of the verdict has to know
 */

/** Stands for whichever of the worker pools does best in the run. */
export const BEST_POOL = 'best pool';

/** The sides of `npm run bench:compare` that are pools. */
export const POOLS = [
  'poolifier',
  'piscina',
  'tinypool',
  'tinypool (processes)',
  'workerpool',
  'workerpool (processes)',
];

/** @type {Row[]} */
export const rows = [
  {
    id: 'task-sync',
    case: 'task-sync',
    work: 'empty task, one at a time',
    unit: '/s',
    better: 'higher',
    must: [
      { than: BEST_POOL, times: 8 },
      { than: 'ray', times: 120 },
    ],
    should: [{ limit: 200_000 }],
    recorded: { ray: 475, poolifier: 24_700 },
  },
  {
    id: 'task-async',
    case: 'task-async',
    work: 'empty tasks, 1,000 in flight',
    unit: '/s',
    better: 'higher',
    must: [
      { than: BEST_POOL, times: 6 },
      { than: 'ray', times: 300 },
    ],
    should: [{ limit: 1_000_000 }, { than: BEST_POOL, times: 10 }],
    recorded: { ray: 1_354, poolifier: 33_400 },
  },
  {
    id: 'task-four-submitters',
    case: 'task-four-submitters',
    work: 'four submitters, 10,000 tasks each',
    unit: '/s',
    better: 'higher',
    must: [{ than: 'ray', times: 100 }],
    should: [{ limit: 300_000 }],
    recorded: { ray: 1_612 },
  },
  {
    id: 'actor-sync',
    case: 'actor-sync',
    work: 'actor call, one at a time',
    unit: '/s',
    better: 'higher',
    must: [{ than: 'ray', times: 90 }],
    should: [{ limit: 170_000 }],
    recorded: { ray: 911 },
  },
  {
    id: 'actor-async',
    case: 'actor-async',
    work: 'actor calls, 1,000 in flight',
    unit: '/s',
    better: 'higher',
    must: [{ than: 'ray', times: 150 }],
    should: [{ limit: 1_000_000 }],
    recorded: { ray: 3_574 },
  },
  {
    id: 'put-small',
    case: 'put-small',
    work: 'put of a small value',
    unit: '/s',
    better: 'higher',
    must: [{ than: 'ray', times: 300 }],
    should: [{ limit: 1_000_000 }],
    recorded: { ray: 1_290 },
  },
  {
    id: 'put-small-object',
    case: 'put-small-object',
    work: 'put of a small object',
    unit: '/s',
    better: 'higher',
    must: [{ than: 'ray', times: 300 }],
    should: [{ limit: 1_000_000 }],
    recorded: {},
  },
  {
    id: 'put-small-text',
    case: 'put-small-text',
    work: 'put of a text of 2,000 characters',
    unit: '/s',
    better: 'higher',
    must: [{ than: 'ray', times: 300 }],
    should: [{ limit: 1_000_000 }],
    recorded: {},
  },
  {
    id: 'get-small',
    case: 'get-small',
    work: 'get of a small value, 1.5 M objects on the heap',
    unit: '/s',
    better: 'higher',
    must: [{ than: 'ray', times: 100 }],
    should: [{ limit: 2_000_000 }],
    recorded: { ray: 7_429 },
  },
  {
    id: 'wait-1k-refs',
    case: 'wait-1k-refs',
    work: 'wait, one by one over 1,000 refs, rounds',
    unit: '/s',
    better: 'higher',
    must: [{ than: 'ray', times: 150 }, { limit: 300 }],
    should: [{ than: 'asCompleted', times: 1 }],
    recorded: { ray: 1.34 },
  },
  {
    id: 'as-completed-100k',
    case: 'as-completed-100k',
    work: 'asCompleted over 100,000 refs, beyond the tasks themselves, a ref',
    unit: 'µs',
    better: 'lower',
    must: [{ limit: 2 }],
    should: [],
    recorded: {},
    note: 'may be below 0: the loop overlaps with the tasks, and get of all does not',
  },
  {
    id: 'as-completed-100k-ready',
    case: 'as-completed-100k',
    work: 'asCompleted over 100,000 refs that are ready already, a ref',
    unit: 'µs',
    better: 'lower',
    must: [{ limit: 2 }],
    should: [],
    recorded: {},
  },
  {
    id: 'get-object-of-10k-refs',
    case: 'get-object-of-10k-refs',
    work: 'get of an object that holds 10,000 refs, 1.5 M objects on the heap',
    unit: '/s',
    better: 'higher',
    must: [{ than: 'ray', times: 5 }],
    should: [{ limit: 200 }],
    recorded: { ray: 12.4 },
  },
  {
    id: 'put-800mb-warm',
    case: 'put-800mb',
    work: 'put of 800 MB, warm',
    unit: 'GB/s',
    better: 'higher',
    must: [{ than: 'memcpy', times: 0.9 }],
    should: [],
    recorded: { ray: 1.24 },
  },
  {
    id: 'put-800mb-cold',
    case: 'put-800mb',
    work: 'put of 800 MB, cold',
    unit: 'GB/s',
    better: 'higher',
    must: [{ than: 'first touch', times: 0.9 }],
    should: [],
    recorded: { ray: 1.24 },
  },
  {
    id: 'put-800mb-allocated',
    case: 'put-800mb-allocated',
    work: 'put of 800 MB that was allocated in the store',
    unit: 'GB/s',
    better: 'higher',
    must: [],
    // A copy can't be twenty times faster than memcpy, so this proves that there was none.
    should: [{ than: 'memcpy', times: 20 }],
    recorded: { ray: 1.24 },
  },
  {
    id: 'get-800mb',
    case: 'get-800mb',
    work: 'get of 800 MB, 1.5 M objects on the heap',
    unit: 'µs',
    better: 'lower',
    must: [{ limit: 100 }],
    should: [{ limit: 20 }],
    recorded: {},
    note: 'the target is for Node 24; Node 20 has no external SharedArrayBuffer (use --node)',
  },
  {
    id: 'init',
    case: 'init',
    work: 'init, then the first result',
    unit: 'ms',
    better: 'lower',
    must: [{ than: BEST_POOL, times: 1 / 1.6 }],
    should: [{ than: BEST_POOL, times: 1 }],
    recorded: { ray: 5_200 },
  },
  {
    id: 'memory',
    case: 'memory',
    work: 'memory with two workers (PSS of the whole tree)',
    unit: 'MB',
    better: 'lower',
    must: [{ limit: 90 }],
    should: [{ limit: 60 }],
    recorded: { ray: 1_346 },
  },
  {
    id: 'task-10k-arguments',
    case: 'task-10k-arguments',
    work: 'a task with 10,000 ref arguments',
    unit: 'ms',
    better: 'lower',
    must: [{ than: 'ray', times: 10 }],
    should: [{ limit: 20 }],
    recorded: { ray: 720 },
  },
  {
    id: 'task-10k-arguments-cold',
    case: 'task-10k-arguments',
    work: 'the first call with 10,000 ref arguments, of a worker that runs already',
    unit: 'ms',
    better: 'lower',
    must: [{ limit: 60 }],
    should: [],
    recorded: {},
  },
  {
    id: 'task-3k-results',
    case: 'task-3k-results',
    work: 'a task with 3,000 results',
    unit: 'ms',
    better: 'lower',
    must: [{ than: 'ray', times: 4 }],
    should: [{ limit: 10 }],
    recorded: { ray: 93 },
  },
  {
    id: 'get-10k-refs',
    case: 'get-10k-refs',
    work: 'get of 10,000 refs, 1.5 M objects on the heap',
    unit: 'ms',
    better: 'lower',
    must: [{ than: 'ray', times: 20 }],
    should: [{ limit: 5 }],
    recorded: { ray: 253 },
  },
  {
    id: 'queued-50k-submit',
    case: 'queued-50k',
    work: '50,000 queued behind a blocker: submit',
    unit: 'ms',
    better: 'lower',
    // The anchor is for both parts together, below: its limit for them is in less time than 90 times would leave to this one.
    must: [],
    should: [{ than: 'ray', times: 90 }],
    recorded: { ray: 3_900 },
  },
  {
    id: 'queued-50k-run',
    case: 'queued-50k',
    work: '50,000 queued behind a blocker: run',
    unit: 'ms',
    better: 'lower',
    must: [{ than: 'ray', times: 90 }],
    should: [],
    recorded: { ray: 36_400 },
  },
  {
    id: 'queued-50k',
    case: 'queued-50k',
    work: '50,000 queued behind a blocker: submit and run',
    unit: 'ms',
    better: 'lower',
    must: [{ than: 'ray', times: 90 }],
    should: [{ limit: 200 }],
    recorded: { ray: 40_300 },
  },
  {
    id: 'queued-1m',
    case: 'queued-1m',
    work: '1,000,000 queued: submit and run',
    unit: 'ms',
    better: 'lower',
    must: [{ limit: 2_000 }],
    should: [{ limit: 1_000 }],
    recorded: { ray: 184_000 },
    note: "Ray's figure is its own release log's, on 64 cores",
  },
  {
    id: 'queued-1m-memory',
    case: 'queued-1m',
    work: '1,000,000 queued: memory a queued task',
    unit: 'bytes',
    better: 'lower',
    must: [{ limit: 450 }],
    should: [],
    recorded: {},
  },
  {
    id: 'installed-size',
    case: 'installed-size',
    work: 'installed size',
    unit: 'MB',
    better: 'lower',
    must: [{ limit: 6 }],
    should: [{ limit: 5 }],
    recorded: { ray: 318 },
  },

  // From here on: the other loops of `ray microbenchmark`, and what else is worth watching. They have no target.
  ...[
    ['put-gigabytes', 'GB/s', 'one client puts the same 800 MB over and over'],
    ['put-gigabytes-two-workers', 'GB/s', 'ten tasks put ten arrays of 80 MB each'],
    ['put-small-tasks', '/s', 'ten tasks put 100 small values each'],
    ['get-small-blocking', '/s', 'getSync of a small value'],
    ['task-batches', '/s', 'batches of 1,000 tasks, submitted and got'],
    ['actor-concurrent', '/s', 'actor calls, 1,000 in flight, maxConcurrency 16'],
    ['actor-one-to-many', '/s', 'one actor calls many actors, 5,000 calls each'],
    ['actor-many-to-many', '/s', 'four tasks call many actors, 5,000 calls each'],
    ['actor-many-to-many-argument', '/s', 'many actors call many actors with a ref argument'],
    ['async-actor-sync', '/s', 'async actor call, one at a time'],
    ['async-actor-async', '/s', 'async actor calls, 1,000 in flight'],
    ['async-actor-argument', '/s', 'async actor calls with an argument, 1,000 in flight'],
    ['async-actor-one-to-many', '/s', 'one actor calls many async actors, 5,000 calls each'],
    ['async-actor-many-to-many', '/s', 'four tasks call many async actors, 5,000 calls each'],
  ].map(
    ([id, unit, work]) =>
      /** @type {Row} */ ({
        id,
        case: id,
        work,
        unit,
        better: 'higher',
        must: [],
        should: [],
        recorded: {},
      }),
  ),

  // These two exist on the other pools too, and are measured by `npm run bench:compare`.
  {
    id: 'pass-100mb',
    case: 'pass-100mb',
    work: 'a task that gets an array of 100 MB',
    unit: 'GB/s',
    better: 'higher',
    must: [],
    should: [],
    recorded: { piscina: 0.8, structuredClone: 0.4 },
  },
];

/**
 * What `npm run bench:tune` measures: tuning, with the default outputs, on a runtime with two CPUs that runs already.
 *
 * @type {Row[]}
 */
export const tuneRows = [
  {
    id: 'tune-100',
    case: 'tune-100',
    work: '100 trials that do nothing',
    unit: 'ms',
    better: 'lower',
    must: [{ limit: 1_000 }, { than: 'ray', times: 100 }],
    should: [],
    recorded: { ray: 133_000 },
  },
  {
    id: 'tune-10k',
    case: 'tune-10k',
    work: '10,000 trials that do nothing, a trial',
    unit: 'ms',
    better: 'lower',
    must: [{ limit: 1.5 }],
    should: [],
    recorded: {},
  },
  {
    id: 'tune-10k-slower',
    case: 'tune-10k',
    work: '10,000 trials: the last 1,000 take as long as the first 1,000, times',
    unit: '×',
    better: 'lower',
    must: [{ limit: 1.5 }],
    should: [],
    recorded: {},
  },
  {
    id: 'tune-10k-memory',
    case: 'tune-10k',
    work: '10,000 trials: resident memory of the driver, a trial from the 2,000th on',
    unit: 'KiB',
    better: 'lower',
    must: [{ limit: 5 }],
    should: [],
    recorded: {},
    note: 'between two moments; what waits to be collected is in it, and it may be below 0',
  },
  {
    id: 'tune-reports',
    case: 'tune-reports',
    work: 'four trials, 250 reports/s each: the driver, of a core',
    unit: '%',
    better: 'lower',
    must: [{ limit: 10 }],
    should: [],
    recorded: {},
  },
  {
    id: 'tune-reports-rate',
    case: 'tune-reports',
    work: 'four trials, 250 reports/s each: reports that came, all of them in the journal',
    unit: '/s',
    better: 'higher',
    must: [{ limit: 950 }],
    should: [],
    recorded: {},
    note: 'without these reports the share of the core would mean nothing',
  },
  {
    id: 'tune-tpe',
    case: 'tune-tpe',
    work: 'TPE: ask, with 1,000 results of 20 floats',
    unit: 'ms',
    better: 'lower',
    must: [{ limit: 1 }, { than: 'optuna', times: 10 }],
    should: [],
    recorded: { optuna: 26.5 },
  },
  {
    id: 'tune-gp',
    case: 'tune-gp',
    work: 'Gaussian process: ask, with 500 results of 10 floats, fits included',
    unit: 'ms',
    better: 'lower',
    must: [{ limit: 100 }, { than: 'optuna', times: 1 }],
    should: [],
    recorded: { optuna: 1_064 },
  },
];

/** The rows that have a target: those of the anchors. */
export const anchoredRows = rows.filter((row) => row.must.length > 0 || row.should.length > 0);

/**
 * The rows whose id, case or description contains `filter`, ignoring case; a comma separates several filters. Ends the program
 * where there is none.
 *
 * @param {Row[]} from
 * @param {string} filter empty for all
 */
export function selectRows(from, filter) {
  const parts = filter.toLowerCase().split(',').filter(Boolean);
  if (parts.length === 0) return from;
  const selected = from.filter((row) =>
    parts.some((part) => `${row.id} ${row.case} ${row.work}`.toLowerCase().includes(part)),
  );
  if (selected.length > 0) return selected;
  const names = from.map((row) => row.id).join(', ');
  console.error(`no row has ${filter} in its name; there are ${names}`);
  process.exit(2);
}

/**
 * How many times better `ours` is than `theirs`, in the direction that the row counts as better.
 *
 * @param {Row} row
 * @param {number} ours
 * @param {number} theirs
 */
export function timesBetter(row, ours, theirs) {
  return row.better === 'higher' ? ours / theirs : theirs / ours;
}

/**
 * The verdict on a list of targets: `met`, `missed`, or `unknown` when a figure to compare with is not from this run.
 * One missed target makes the whole list missed; a list without targets has no verdict (`none`).
 *
 * @param {Row} row
 * @param {Must[]} targets `row.must` or `row.should`
 * @param {number | undefined} ours
 * @param {Record<string, number>} ratios how many times better ours is than each other, all of this run
 * @returns {'met' | 'missed' | 'unknown' | 'none'}
 */
export function judge(row, targets, ours, ratios) {
  if (targets.length === 0) return 'none';
  if (ours === undefined) return 'unknown';
  let verdict = /** @type {'met' | 'unknown'} */ ('met');
  for (const { than, times, limit } of targets) {
    if (limit !== undefined) {
      if (row.better === 'higher' ? ours < limit : ours > limit) return 'missed';
      continue;
    }
    const ratio = ratioTo(than, ratios);
    if (ratio === undefined) verdict = 'unknown';
    else if (ratio < times) return 'missed';
  }
  return verdict;
}

/** How many times better ours is than `than`; than the best pool, the smallest of the ratios to pools. */
function ratioTo(than, ratios) {
  if (than !== BEST_POOL) return ratios[than];
  const toPools = POOLS.flatMap((pool) => ratios[pool] ?? []);
  return toPools.length === 0 ? undefined : Math.min(...toPools);
}
