/**
 * A controller for tests of schedulers: trials, workers, and a clock that is only a number. What `simulate` does with the real
 * controller, this does with hardly any code, so that a scheduler can be seen alone. `fixtures/toy_controller.py` has the same in
 * Python, to the draw.
 *
 * - TC-1 Before it asks a scheduler who is to run, the next new trial is there, as long as there are new ones.
 * - TC-2 Of those who run, the one whose report is due first comes next; of several, the lowest number.
 */

import type {
  ScheduledTrial,
  Scheduler,
  SchedulerControl,
} from '../../bindings/typescript/src/tune/schedulers/scheduler.ts';
import type {
  Mode,
  ReportedMetrics,
  TrialStatus,
} from '../../bindings/typescript/src/tune/types.ts';

export interface ToyOptions {
  readonly scheduler: Scheduler;
  readonly workers: number;
  readonly samples: number;
  /** How many new trials are there in advance; with 0 the next one comes only when a worker is free. */
  readonly pending: number;
  readonly seed: number;
  /** Of the trial, at an iteration; undefined: the report lacks the metric. */
  readonly metric: (random: () => number, trial: number, iteration: number) => number | undefined;
  /** How long a trial takes for one report: a whole number, 1 or more. */
  readonly duration?: (random: () => number) => number;
  /** After which iteration a trial ends by itself. */
  readonly lastIteration?: (random: () => number) => number;
  /** Per report: it fails instead. */
  readonly errorRate?: number;
  /** Per report: it fails instead, and is pending again, to go on from its checkpoint. */
  readonly retryRate?: number;
  /** Per report: the trial is removed by somebody else if it waits, instead of a report of another one. */
  readonly removeRate?: number;
  /** A trial that is paused goes on from its last report; else from the beginning. */
  readonly hasCheckpoints?: boolean;
  readonly config?: () => unknown;
  /** Called after each step. */
  readonly observe?: (state: ToyState) => void;
}

export interface ToyTrial extends ScheduledTrial {
  status: TrialStatus;
  config: unknown;
  metrics: ReportedMetrics | Record<string, never>;
  iteration: number;
  /** What it goes on from. */
  checkpoint: number | undefined;
  last: number;
  due: number;
  reports: number;
}

export interface ToyState {
  readonly trials: readonly ToyTrial[];
  readonly time: number;
  readonly free: number;
  readonly unstarted: number;
}

export interface ToyResult {
  readonly trials: readonly ToyTrial[];
  /** Continued, Paused, Stopped, Done by itself, Error, Removed: each with the number of its trial. */
  readonly events: readonly string[];
  readonly exploits: readonly (readonly [id: string, fromId: string, config: unknown])[];
  readonly time: number;
  /** How many were still paused at the end, and nobody chose them. */
  readonly leftOver: number;
}

const STEPS_MAX = 1_000_000;

export function runToy(options: ToyOptions): ToyResult {
  return new Toy(options).run();
}

class Toy {
  readonly #options: ToyOptions;
  readonly #random: () => number;
  readonly #trials: ToyTrial[] = [];
  readonly #events: string[] = [];
  readonly #exploits: [string, string, unknown][] = [];
  readonly #control: SchedulerControl;
  #time = 0;
  #reporting: ToyTrial | undefined;

  constructor(options: ToyOptions) {
    this.#options = options;
    this.#random = mulberry32(options.seed);
    const isComplete = (): boolean => this.#trials.length >= options.samples;
    this.#control = {
      trials: this.#trials,
      get hasAllTrials() {
        return isComplete();
      },
      stop: (id) => this.#stop(this.#trial(id)),
      exploit: (id, fromId, config) => this.#exploit(this.#trial(id), this.#trial(fromId), config),
      setResources: () => {},
    };
  }

  run(): ToyResult {
    for (let step = 0; ; step++) {
      if (step === STEPS_MAX) throw new Error('this does not end');
      this.#fill();
      this.#observe();
      const running = this.#trials.filter(({ status }) => status === 'RUNNING');
      if (running.length === 0) break;
      const next = running.reduce((first, trial) => (trial.due < first.due ? trial : first));
      this.#time = next.due;
      this.#report(next);
    }
    // Only paused ones are left, and nobody chooses one: they end.
    const events = [...this.#events];
    const paused = this.#trials.filter(({ status }) => status === 'PAUSED');
    for (const trial of paused) this.#stop(trial);
    return {
      trials: this.#trials,
      events,
      exploits: this.#exploits,
      time: this.#time,
      leftOver: paused.length,
    };
  }

  /** TC-1. */
  #fill(): void {
    const { scheduler, workers, samples, pending } = this.#options;
    for (;;) {
      const running = this.#trials.filter(({ status }) => status === 'RUNNING').length;
      const ahead = running < workers ? Math.max(pending, 1) : pending;
      while (
        this.#trials.length < samples &&
        this.#trials.filter(({ status }) => status === 'PENDING').length < ahead
      ) {
        this.#add();
      }
      if (running >= workers) return;
      const id = scheduler.chooseTrialToRun(this.#control);
      if (id === undefined) return;
      const trial = this.#trial(id);
      if (trial.status !== 'PENDING' && trial.status !== 'PAUSED') {
        throw new Error(`${id} is ${trial.status}, and can't be chosen`);
      }
      trial.iteration = trial.checkpoint ?? 0;
      trial.status = 'RUNNING';
      this.#schedule(trial);
    }
  }

  #add(): void {
    const { config, lastIteration, scheduler } = this.#options;
    const number = this.#trials.length;
    const trial: ToyTrial = {
      id: String(number).padStart(5, '0'),
      number,
      status: 'PENDING',
      config: config?.() ?? {},
      metrics: {},
      iteration: 0,
      checkpoint: undefined,
      last: lastIteration?.(this.#random) ?? Infinity,
      due: 0,
      reports: 0,
    };
    this.#trials.push(trial);
    scheduler.onTrialAdd?.(trial, this.#control);
  }

  #report(trial: ToyTrial): void {
    const { scheduler, errorRate = 0, metric, hasCheckpoints } = this.#options;
    const { removeRate = 0, retryRate = 0 } = this.#options;
    if (removeRate > 0 && this.#random() < removeRate) {
      const waiting = this.#trials.filter(
        ({ status }) => status === 'PAUSED' || status === 'PENDING',
      );
      if (waiting.length > 0) this.#stop(waiting[Math.floor(this.#random() * waiting.length)]!);
    }
    if (errorRate > 0 && this.#random() < errorRate) {
      trial.status = 'ERROR';
      this.#events.push(`E${trial.number}`);
      scheduler.onTrialError?.(trial, this.#control);
      return;
    }
    if (retryRate > 0 && this.#random() < retryRate) {
      trial.status = 'PENDING';
      return;
    }
    trial.iteration += 1;
    trial.reports += 1;
    const value = metric(this.#random, trial.number, trial.iteration);
    const metrics = reportOf(trial, value);
    trial.metrics = metrics;
    if (hasCheckpoints !== false) trial.checkpoint = trial.iteration;
    this.#reporting = trial;
    const decision = scheduler.onTrialResult(trial, metrics, this.#control);
    this.#reporting = undefined;
    this.#events.push(`${decision[0]!}${trial.number}`);
    const isOver = trial.iteration >= trial.last;
    if (decision === 'STOP' || isOver) {
      if (decision !== 'STOP') this.#events.push(`D${trial.number}`);
      trial.status = 'TERMINATED';
      scheduler.onTrialComplete?.(trial, metrics, this.#control);
    } else if (decision === 'PAUSE') trial.status = 'PAUSED';
    else this.#schedule(trial);
  }

  #schedule(trial: ToyTrial): void {
    trial.due = this.#time + (this.#options.duration?.(this.#random) ?? 1);
  }

  #stop(trial: ToyTrial): void {
    if (trial.status === 'TERMINATED' || trial.status === 'ERROR') return;
    const wasRunning = trial.status === 'RUNNING';
    trial.status = 'TERMINATED';
    this.#events.push(`R${trial.number}`);
    const { scheduler } = this.#options;
    if (wasRunning) {
      scheduler.onTrialComplete?.(trial, trial.metrics as ReportedMetrics, this.#control);
    } else scheduler.onTrialRemove?.(trial, this.#control);
  }

  #exploit(trial: ToyTrial, source: ToyTrial, config: unknown): boolean {
    const hasBegun = trial.status !== 'PENDING' || trial !== source;
    if (hasBegun && source.checkpoint === undefined) return false;
    trial.config = config;
    this.#exploits.push([trial.id, source.id, config]);
    if (!hasBegun) return true;
    trial.checkpoint = source.checkpoint;
    if (trial === this.#reporting || trial.status === 'RUNNING') {
      trial.iteration = source.checkpoint!;
    }
    return true;
  }

  #trial(id: string): ToyTrial {
    const trial = this.#trials.find((each) => each.id === id);
    if (trial === undefined) throw new Error(`there is no trial ${id}`);
    return trial;
  }

  #observe(): void {
    const { observe, workers, samples } = this.#options;
    if (observe === undefined) return;
    const running = this.#trials.filter(({ status }) => status === 'RUNNING').length;
    const pending = this.#trials.filter(({ status }) => status === 'PENDING').length;
    observe({
      trials: this.#trials,
      time: this.#time,
      free: workers - running,
      unstarted: pending + samples - this.#trials.length,
    });
  }
}

/** A report as trials make them, with `loss` as the only metric. */
export function reportOf(
  { id, iteration }: { readonly id: string; readonly iteration: number },
  loss: number | undefined,
): ReportedMetrics {
  return {
    ...(loss === undefined ? {} : { loss }),
    trainingIteration: iteration,
    timeThisIterMs: 1000,
    timeTotalMs: iteration * 1000,
    timestamp: 0,
    trialId: id,
    pid: 1,
    hostname: 'toy',
    done: false,
  };
}

/** Random numbers that Python makes as easily: mulberry32, in multiples of 2^-32. */
export function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An experiment of the fixtures: its options, and what has to come of it. */
export type Stream = Record<string, number> & {
  mode: Mode;
  /** The first streams have their events in full. */
  text?: string | undefined;
  /** Only the first `events` of them have to be the same. */
  isPrefix: boolean;
  /** Who took over another one's state. */
  exploits?: string;
};

/** The streams of a table that `fixtures/toy_controller.py` has stored. */
export function readStreams(table: unknown): Stream[] {
  const { keys, rows, until, texts } = table as {
    readonly keys: readonly string[];
    readonly rows: readonly (readonly (number | string)[])[];
    readonly until: readonly number[];
    readonly texts: readonly string[];
  };
  return rows.map((row, seed) => {
    const options: Record<string, unknown> = Object.fromEntries(
      keys.map((key, place) => [key, row[place]]),
    );
    options['seed'] = seed;
    options['mode'] = options['mode'] === 1 ? 'max' : 'min';
    options['text'] = texts[seed];
    options['isPrefix'] = until.includes(seed);
    return options as Stream;
  });
}

/** The same experiment with a scheduler of ours. */
export function runStream(stream: Stream, scheduler: Scheduler): ToyResult {
  scheduler.setup?.({ metric: 'loss', mode: stream.mode, seed: 0 });
  const { early, iterations, misses, grid = 64 } = stream;
  return runToy({
    scheduler,
    workers: stream['workers']!,
    samples: stream['samples']!,
    pending: stream['pending']!,
    seed: stream['seed']!,
    errorRate: stream['errors']!,
    removeRate: stream['removes']!,
    config: () => ({ x: 1 }),
    lastIteration: (random) => (early === 1 ? 1 + Math.floor(random() * iterations!) : iterations!),
    duration: (random) => 1 + Math.floor(random() * 4),
    metric: (random) =>
      misses! > 0 && random() < misses! ? undefined : Math.floor(random() * grid) / grid,
  });
}

/** Those streams that a scheduler of ours decides otherwise; the first two, with its own events. */
export function differencesTo(
  streams: readonly Stream[],
  make: (stream: Stream) => Scheduler,
): object[] {
  const different: object[] = [];
  for (const stream of streams) {
    const { events, exploits } = runStream(stream, make(stream));
    const exploited = exploits.map(([id]) => String.fromCodePoint(97 + Number(id))).join('');
    const isSame =
      (stream.isPrefix || events.length === stream['events']) &&
      checksum(events.slice(0, stream['events']).join(' ')) === stream['sum'] &&
      (stream.exploits === undefined || stream.exploits === exploited);
    if (!isSame) different.push({ ...stream, ours: events.join(' '), exploited });
    if (different.length === 2) break;
  }
  return different;
}

/** The lower 20 bits of FNV-1a: what the fixtures keep of long texts. */
export function checksum(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193);
  return value & 0xfffff;
}
