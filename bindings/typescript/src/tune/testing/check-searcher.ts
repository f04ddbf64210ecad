/**
 * `checkSearcher`: whether a searcher keeps to what an experiment relies on.
 *
 * - CS-1 Each run has the same trials with the same results; runs differ in one thing, and what is asked must not.
 */

import { isDeepStrictEqual } from 'node:util';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { callback } from '../../option-checks.ts';
import { letGo } from '../answers-at-once.ts';
import { randomNumbers } from '../controller/seeds.ts';
import type { Searcher, ToldTrial } from '../search/searcher.ts';
import { checkSearcherObject } from '../search/wrappers.ts';
import type { ReportedMetrics } from '../types.ts';
import { type SearcherCase, outcomeOf, searcherCases } from './searcher-cases.ts';
import { type Proposed, WatchedSearcher, faultOf } from './watched-searcher.ts';

const CALL = 'checkSearcher()';
/** Enough for what begins at random to have begun in earnest. */
const ROUNDS = 7;
const TRIALS_PER_ROUND = 4;
const SEED = 20_240_229;

/** In what a run differs from the plain one. */
interface RunKind {
  /** Of the trials that end in a round, who is told first. */
  readonly order: 'forward' | 'backward' | 'shuffled';
  /** One trial of each round is told in the next. */
  readonly keepsPending: boolean;
  /** After so many rounds another searcher takes its place, to which all is told again. */
  readonly restoredAfter: number | null;
  /** What comes of trials is of other trials. */
  readonly otherResults: boolean;
}

const PLAIN: RunKind = {
  order: 'forward',
  keepsPending: true,
  restoredAfter: null,
  otherResults: false,
};

/** All that a searcher was told of the end of a trial. */
interface Told {
  readonly number: number;
  readonly rows: readonly ReportedMetrics[];
  readonly result: ToldTrial;
}

/** What happened to a searcher, in order: to be told again to another one. */
type Happened =
  | {
      readonly kind: 'asked';
      readonly number: number;
      readonly config: unknown;
      readonly repeatIndex: number | undefined;
    }
  | { readonly kind: 'told'; readonly told: readonly Told[] };

/** What was asked for, by number; the last one may be that there is no more. */
type Asked = Map<number, unknown>;

/**
 * Tries a searcher with spaces of every kind, with results, errors, metrics that are no numbers, pending trials and none, and rejects
 * with the first thing that it does wrong: configs outside of the space or without all parameters; others with the same seed; others
 * because of the order in which it was told, or because it was made again and told again, as `restore` does; to wait for nothing, to
 * be done and go on; to throw, or to change what it is given. Spaces and metrics that it refuses in `setup`, with an
 * `InvalidArgumentError` or a `NotSupportedError`, are left out.
 *
 * ```ts
 * await checkSearcher(() => mySearcher({ candidates: 10 }));
 * ```
 *
 * @param factory makes a new searcher each time
 * @throws InvalidArgumentError which says what is wrong; `cause` is what the searcher has thrown
 */
export async function checkSearcher(factory: () => Searcher): Promise<void> {
  callback(factory, { call: CALL, name: 'factory' });
  const make = maker(factory);
  let accepted = 0;
  for (const tried of searcherCases()) {
    if (!new WatchedSearcher(make(), tried).setup(SEED)) continue;
    accepted++;
    for (const check of CHECKS) {
      check(() => new WatchedSearcher(make(), tried), tried);
      // A check takes milliseconds to seconds, and the program may have more to do.
      await nextTurn();
    }
  }
  if (accepted === 0) throw faultOf('setup() refused every space and every metric', null);
}

function maker(factory: () => Searcher): () => Searcher {
  const made = new Set<Searcher>();
  return () => {
    let searcher: Searcher;
    try {
      searcher = factory();
    } catch (error) {
      throw faultOf(`the factory threw ${String(error)}`, null, error);
    }
    letGo(searcher);
    checkSearcherObject(searcher, { call: CALL, name: 'what factory returned' });
    if (made.has(searcher)) {
      throw faultOf('the factory gave the same searcher twice; it has to make a new one', null);
    }
    made.add(searcher);
    return searcher;
  };
}

type Check = (make: () => WatchedSearcher, tried: SearcherCase) => void;

const CHECKS: readonly Check[] = [
  (make, tried) => {
    const asked = run(make, tried, PLAIN);
    requireSame(
      asked,
      run(make, tried, PLAIN),
      tried,
      (number) => `with the same seed, ask() for trial ${number} gave another config`,
    );
    for (const order of ['backward', 'shuffled'] as const) {
      requireSame(
        asked,
        run(make, tried, { ...PLAIN, order }),
        tried,
        (number) =>
          `told of the same trials in another order, ask() for trial ${number} gave another config`,
      );
    }
    const first = make();
    if (!first.setup(SEED) || first.isAdaptive) return;
    requireSame(
      asked,
      run(make, tried, { ...PLAIN, otherResults: true }),
      tried,
      (number) =>
        `isAdaptive is false, and with other results ask() for trial ${number} gave another config`,
    );
  },
  (make, tried) => {
    for (const keepsPending of [false, true]) {
      const kind = { ...PLAIN, keepsPending };
      const asked = run(make, tried, kind);
      for (const restoredAfter of [1, 4]) {
        requireSame(
          asked,
          run(make, tried, { ...kind, restoredAfter }),
          tried,
          (number) =>
            `made again and told again of all results, as restore does, ask() for trial ${number} gave another config`,
        );
      }
    }
  },
  checkForeignTrials,
];

/** One experiment. */
function run(make: () => WatchedSearcher, tried: SearcherCase, kind: RunKind): Asked {
  let searcher = begun(make, tried);
  const random = randomNumbers(7);
  const asked: Asked = new Map();
  const happened: Happened[] = [];
  const before = new Set<string>();
  let open: { readonly number: number; readonly proposed: Proposed }[] = [];
  let number = 0;
  let isDone = false;
  for (let round = 0; round < ROUNDS; round++) {
    if (round === kind.restoredAfter) searcher = restored(make, tried, happened);
    let isWaiting = false;
    for (let place = 0; place < TRIALS_PER_ROUND && !isWaiting; place++) {
      const answer = searcher.ask(number);
      if (isDone && answer !== 'done') {
        throw faultOf(
          `ask() for trial ${number} said 'done' before, and now something else`,
          tried,
        );
      }
      if (answer === 'done') {
        requireRightEnd(number, searcher, before, tried);
        isDone = true;
        asked.set(number, 'done');
        break;
      }
      if (answer === 'wait') {
        isWaiting = true;
        if (open.length > 0) break;
        throw faultOf(
          `ask() for trial ${number} says 'wait' while no trial is pending, so it would wait for ever`,
          tried,
        );
      }
      requireNew(number, answer, searcher, before, tried);
      asked.set(number, answer.config);
      const repeatIndex = searcher.repeatIndexOf(number);
      happened.push({ kind: 'asked', number, config: answer.config, repeatIndex });
      open.push({ number, proposed: answer });
      number++;
    }
    // Who waits is told of all there are, as it would be in the end.
    const kept = kind.keepsPending && !isWaiting && !isDone ? open.slice(-1) : [];
    const ending = kept.length > 0 ? open.slice(0, -1) : open;
    const told = tellAll(searcher, inOrder(ending, kind.order, random), tried, kind);
    happened.push({ kind: 'told', told });
    open = [...kept];
  }
  return asked;
}

function begun(make: () => WatchedSearcher, tried: SearcherCase): WatchedSearcher {
  const searcher = make();
  if (!searcher.setup(SEED)) {
    throw faultOf('setup() accepts a space at one time, and refuses it at another', tried);
  }
  return searcher;
}

/** As the controller does it: all that there was, in the same order. */
function restored(
  make: () => WatchedSearcher,
  tried: SearcherCase,
  happened: readonly Happened[],
): WatchedSearcher {
  const searcher = begun(make, tried);
  for (const event of happened) {
    if (event.kind === 'told') tell(searcher, event.told);
    else searcher.resume(event.number, event.config, event.repeatIndex);
  }
  return searcher;
}

function tell(searcher: WatchedSearcher, told: readonly Told[]): void {
  for (const { number, rows } of told) for (const row of rows) searcher.onResult(number, row);
  for (const { number, result } of told) searcher.tell(number, result);
}

function tellAll(
  searcher: WatchedSearcher,
  ending: readonly { readonly number: number; readonly proposed: Proposed }[],
  tried: SearcherCase,
  { otherResults }: RunKind,
): Told[] {
  const told = ending.map(({ number, proposed }) =>
    toldOf(otherResults ? number + 5 : number, number, proposed, tried),
  );
  tell(searcher, told);
  return told;
}

function toldOf(
  outcomeNumber: number,
  number: number,
  proposed: Proposed,
  { metrics }: SearcherCase,
): Told {
  const { status, stopReason, reports, violation } = outcomeOf(
    outcomeNumber,
    proposed.values,
    metrics,
  );
  const rows = reports.map((report, index) => rowOf(number, index + 1, report));
  const result: ToldTrial = {
    config: proposed.config,
    status,
    metrics: rows.at(-1) ?? {},
    stopReason,
    violation,
  };
  return { number, rows, result };
}

function rowOf(
  number: number,
  trainingIteration: number,
  report: Readonly<Record<string, number>>,
): ReportedMetrics {
  const row = {
    trainingIteration,
    timeThisIterMs: 1,
    timeTotalMs: trainingIteration,
    timestamp: number + trainingIteration,
    trialId: String(number).padStart(5, '0'),
    pid: 0,
    hostname: 'simulated',
    done: false,
  };
  // A metric with a point in its name is one within another.
  for (const [name, value] of Object.entries(report)) {
    const [outer, inner] = name.split('.') as [string, string | undefined];
    Object.assign(row, { [outer]: inner === undefined ? value : { [inner]: value } });
  }
  return row;
}

function inOrder<T>(list: readonly T[], order: RunKind['order'], random: () => number): T[] {
  if (order === 'forward') return [...list];
  if (order === 'backward') return list.toReversed();
  return list
    .map((each) => ({ each, key: random() }))
    .toSorted((one, other) => one.key - other.key)
    .map(({ each }) => each);
}

/** Known results, configs that others chose, and numbers that others took. */
function checkForeignTrials(make: () => WatchedSearcher, tried: SearcherCase): void {
  const other = begun(make, tried);
  const first = other.ask(0);
  if (typeof first === 'string') {
    requireFirst(first, tried);
    return;
  }
  const searcher = begun(make, tried);
  searcher.tell(-1, { status: 'TERMINATED', stopReason: 'finished', config: first.config, metrics: toldOf(0, 0, first, tried).result.metrics }); // prettier-ignore
  searcher.observe(0, first.config);
  searcher.tell(0, toldOf(0, 0, first, tried).result);
  for (const number of [3, 4, 9]) {
    const answer = searcher.ask(number);
    if (typeof answer === 'string') return;
    const { constraint } = tried;
    const isBroken = constraint !== null && !constraint(answer.config as never);
    // It was asked, and another config is taken in the place of its own.
    if (isBroken) searcher.observe(number, first.config);
    searcher.tell(number, toldOf(number, number, isBroken ? first : answer, tried).result);
  }
}

function requireFirst(answer: 'wait' | 'done', tried: SearcherCase): void {
  throw faultOf(
    answer === 'done'
      ? "ask() for trial 0 said 'done' before it gave any config"
      : "ask() for trial 0 says 'wait' while no trial is pending, so it would wait for ever",
    tried,
  );
}

function requireNew(
  number: number,
  { values }: Proposed,
  searcher: WatchedSearcher,
  before: Set<string>,
  tried: SearcherCase,
): void {
  const key = values.join();
  if (searcher.isExhaustive && before.has(key)) {
    throw faultOf(`isExhaustive is true, and ask() for trial ${number} gave a config again`, tried);
  }
  before.add(key);
}

function requireRightEnd(
  number: number,
  searcher: WatchedSearcher,
  before: ReadonlySet<string>,
  tried: SearcherCase,
): void {
  if (number === 0) requireFirst('done', tried);
  if (!searcher.isExhaustive || before.size === tried.size) return;
  throw faultOf(
    `isExhaustive is true, and ask() for trial ${number} said 'done' after ${before.size} of ${tried.size} configs`,
    tried,
  );
}

function requireSame(
  one: Asked,
  other: Asked,
  tried: SearcherCase,
  what: (number: number) => string,
): void {
  for (const number of new Set([...one.keys(), ...other.keys()])) {
    const [expected, found] = [one.get(number), other.get(number)];
    if (isDeepStrictEqual(expected, found)) continue;
    const texts = [expected, found].map((each) => JSON.stringify(each) ?? 'nothing');
    throw faultOf(`${what(number)}: ${texts.join(' and ')}`, tried);
  }
}
