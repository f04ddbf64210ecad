/**
 * Callbacks that log an experiment to an MLflow server: a run for each trial, its config as parameters, its reports as metrics at
 * their iterations.
 *
 * - ML-1 Calls of one run are made in order, one at a time; those of different runs side by side.
 * - ML-2 Reports wait for company: while a call of the run is under way, what comes in is put into the next one.
 * - ML-3 At most {@link WAITING_METRICS_MAX} values of a run wait, and {@link BUSY_RUNS_MAX} runs have calls to make: a callback beyond
 *   that waits for room.
 * - ML-4 A failure is thrown by the next callback, at the latest by the last one: `fit` rejects with it. No call is made after it.
 * - ML-5 Parameters are written once, as MLflow demands. A config that has changed since, or may have before a restore, is in
 *   the tag `eagleray.config`.
 */

import { checkOptions, invalid, text } from '../../option-checks.ts';
import type { Check } from '../../option-checks.ts';
import { InvalidArgumentError } from '../../index.ts';
import type { ReportedMetrics, TrialStatus } from '../types.ts';
import { configLeaves, textOf, visitMetrics } from './leaves.ts';
import { METRICS_PER_BATCH, MlflowClient, mlflowKey, mlflowParam } from './mlflow-client.ts';
import type { MlflowEntry, MlflowMetric, MlflowRunStatus } from './mlflow-client.ts';

export { MlflowError } from './mlflow-client.ts';

const WAITING_METRICS_MAX = 20 * METRICS_PER_BATCH;
const BUSY_RUNS_MAX = 8;

export interface MlflowOptions {
  /** The server, such as `http://localhost:5000`. */
  readonly trackingUri: string;
  /** Made if there is none of this name. */
  readonly experimentName: string;
}

/** What these callbacks read of the object that each gets. */
export interface MlflowTrialInfo {
  readonly trial: {
    readonly id: string;
    readonly number: number;
    readonly config: unknown;
    readonly status?: TrialStatus;
  };
}

export interface MlflowCallbacks {
  onTrialStart(info: MlflowTrialInfo): Promise<void>;
  onTrialResult(info: MlflowTrialInfo & { readonly result: ReportedMetrics }): Promise<void>;
  onTrialComplete(info: MlflowTrialInfo): Promise<void>;
  onTrialError(info: MlflowTrialInfo & { readonly error?: Error | null }): Promise<void>;
  onExperimentEnd(): Promise<void>;
  getState(): MlflowState;
  setState(state: unknown): void;
}

/** What a restored experiment goes on with: its runs. */
export interface MlflowState {
  readonly experimentId: string | null;
  /** Ids of runs by ids of trials. */
  readonly runs: Readonly<Record<string, string>>;
}

/**
 * Logs to MLflow: `callbacks: [mlflow({ trackingUri: 'http://localhost:5000', experimentName: 'mnist' })]`.
 *
 * Calls are made beside the experiment. `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD` are
 * used where they are set.
 *
 * @throws InvalidArgumentError for options of the wrong form. The callbacks throw `MlflowError`.
 */
export function mlflow(options: MlflowOptions): MlflowCallbacks {
  const { experimentName, trackingUri } = checkOptions('mlflow()', OPTION_CHECKS, options);
  return new Logging(
    new MlflowClient(required('trackingUri', trackingUri)),
    required('experimentName', experimentName),
  );
}

const httpAddress: Check<string> = (value, place) => {
  const address = text(value, place);
  if (!URL.canParse(address) || !/^https?:/i.test(address)) {
    throw invalid(place, value, "an address of HTTP, such as 'http://localhost:5000'");
  }
  return address;
};

const OPTION_CHECKS = { trackingUri: httpAddress, experimentName: text };

function required(name: string, value: string | undefined): string {
  if (value !== undefined) return value;
  throw new InvalidArgumentError(`mlflow(): ${name} has to be given`, {
    argument: name,
    value,
    allowed: 'a string that is not empty',
  });
}

/** The run of a trial. */
interface Run {
  id: string | undefined;
  /** Settles when all that was queued has been done or dropped; never rejects. */
  done: Promise<void>;
  /** Calls that are queued. */
  calls: number;
  metrics: MlflowMetric[];
  isFlushQueued: boolean;
  hasEnded: boolean;
  /** As JSON, as it was logged. Undefined for a run of before a restore. */
  config: string | undefined;
}

class Logging implements MlflowCallbacks {
  readonly #client: MlflowClient;
  readonly #experimentName: string;
  #experimentId: Promise<string> | undefined;
  #knownExperimentId: string | null = null;
  readonly #runs = new Map<string, Run>();
  readonly #busy = new Set<Run>();
  #failure: { readonly error: unknown } | undefined;

  constructor(client: MlflowClient, experimentName: string) {
    this.#client = client;
    this.#experimentName = experimentName;
  }

  async onTrialStart(info: MlflowTrialInfo): Promise<void> {
    this.#throwFailure();
    const known = this.#runs.get(info.trial.id);
    const run = known ?? this.#begin(info);
    if (known !== undefined) {
      // It is tried again, or goes on after a pause or a restore.
      run.hasEnded = false;
      this.#queue(run, () => this.#client.updateRun(run.id!, 'RUNNING'));
    }
    while (this.#busy.size > BUSY_RUNS_MAX) {
      await Promise.race([...this.#busy].map(({ done }) => done));
    }
  }

  async onTrialResult({
    result,
    trial,
  }: MlflowTrialInfo & { readonly result: ReportedMetrics }): Promise<void> {
    this.#throwFailure();
    const run = this.#runs.get(trial.id) ?? this.#begin({ trial });
    for (const metric of metricsOf(result)) run.metrics.push(metric);
    this.#flush(run);
    if (run.metrics.length > WAITING_METRICS_MAX) await run.done;
  }

  async onTrialComplete({ trial }: MlflowTrialInfo): Promise<void> {
    this.#throwFailure();
    this.#end(trial, 'FINISHED', []);
  }

  async onTrialError({
    error,
    trial,
  }: MlflowTrialInfo & { readonly error?: Error | null }): Promise<void> {
    this.#throwFailure();
    const value = error === undefined || error === null ? '' : `${error.name}: ${error.message}`;
    this.#end(trial, 'FAILED', value === '' ? [] : [{ key: 'eagleray.error', value }]);
  }

  /** Waits for all calls. Runs that have not ended are `KILLED`; a restore makes them `RUNNING` again. */
  async onExperimentEnd(): Promise<void> {
    for (const run of this.#runs.values()) {
      if (run.hasEnded) continue;
      run.hasEnded = true;
      this.#flush(run);
      this.#queue(run, () => this.#client.updateRun(run.id!, 'KILLED', Date.now()));
    }
    await Promise.all([...this.#runs.values()].map(({ done }) => done));
    this.#throwFailure();
  }

  getState(): MlflowState {
    const runs = [...this.#runs].flatMap(([trialId, { id }]) =>
      id === undefined ? [] : [[trialId, id] as const],
    );
    return { experimentId: this.#knownExperimentId, runs: Object.fromEntries(runs) };
  }

  setState(state: unknown): void {
    const { experimentId, runs } = state as MlflowState;
    this.#knownExperimentId = experimentId;
    if (experimentId !== null) this.#experimentId = Promise.resolve(experimentId);
    for (const [trialId, id] of Object.entries(runs)) {
      // What has ended does not begin again; what has not begins with `onTrialStart`.
      this.#runs.set(trialId, { ...newRun(undefined), id, hasEnded: true });
    }
  }

  #begin({ trial }: MlflowTrialInfo): Run {
    const run = newRun(textOf(trial.config));
    this.#runs.set(trial.id, run);
    const startTimeMs = Date.now();
    const params = paramsOf(trial.config);
    this.#queue(run, async () => {
      const experimentId = await this.#experiment();
      run.id = await this.#client.createRun(experimentId, trial.id, startTimeMs, [
        { key: 'mlflow.source.name', value: 'eagleray' },
        { key: 'eagleray.trialId', value: trial.id },
        { key: 'eagleray.number', value: String(trial.number) },
      ]);
      await this.#client.log(run.id, { params });
    });
    return run;
  }

  #end(trial: MlflowTrialInfo['trial'], status: MlflowRunStatus, tags: MlflowEntry[]): void {
    const run = this.#runs.get(trial.id) ?? this.#begin({ trial });
    run.hasEnded = true;
    const endTimeMs = Date.now();
    const config = textOf(trial.config);
    const changed = run.config === config ? [] : [{ key: 'eagleray.config', value: config }];
    this.#flush(run);
    this.#queue(run, async () => {
      await this.#client.log(run.id!, { tags: [...tags, ...changed] });
      await this.#client.updateRun(run.id!, status, endTimeMs);
    });
  }

  /** Logs what waits, in one call for all that comes in until it is its turn. */
  #flush(run: Run): void {
    if (run.isFlushQueued || run.metrics.length === 0) return;
    run.isFlushQueued = true;
    this.#queue(run, async () => {
      run.isFlushQueued = false;
      await this.#client.log(run.id!, { metrics: run.metrics.splice(0) });
    });
  }

  #queue(run: Run, call: () => Promise<void>): void {
    run.calls++;
    this.#busy.add(run);
    run.done = this.#after(run.done, run, call);
  }

  /** Never rejects: what went wrong is thrown by the next callback. */
  async #after(before: Promise<void>, run: Run, call: () => Promise<void>): Promise<void> {
    await before;
    try {
      if (this.#failure === undefined) await call();
    } catch (error) {
      this.#failure ??= { error };
    }
    run.calls--;
    if (run.calls === 0) this.#busy.delete(run);
  }

  /** Asked for once, by the first run. */
  async #experiment(): Promise<string> {
    this.#experimentId ??= this.#client.experimentId(this.#experimentName);
    this.#knownExperimentId = await this.#experimentId;
    return this.#knownExperimentId;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

function newRun(config: string | undefined): Run {
  return {
    id: undefined,
    done: Promise.resolve(),
    calls: 0,
    metrics: [],
    isFlushQueued: false,
    hasEnded: false,
    config,
  };
}

/** Of what is added to every report, what is no metric. */
const NO_METRICS: ReadonlySet<string> = new Set(['trainingIteration', 'timestamp', 'pid']);

function metricsOf(result: ReportedMetrics): MlflowMetric[] {
  const metrics: MlflowMetric[] = [];
  visitMetrics(result, (path, value) => {
    if (typeof value !== 'number' || NO_METRICS.has(path)) return;
    metrics.push({
      key: mlflowKey(path),
      value: Number.isFinite(value) ? value : (String(value) as MlflowMetric['value']),
      timestamp: result.timestamp,
      step: result.trainingIteration,
    });
  });
  return metrics;
}

/** Two paths that MLflow can't tell apart get a number each, since a parameter can't be written twice. */
function paramsOf(config: unknown): MlflowEntry[] {
  const params = new Map<string, MlflowEntry>();
  for (const [path, value] of configLeaves(config)) {
    const param = mlflowParam(path, value);
    let { key } = param;
    for (let copy = 2; params.has(key); copy++) key = `${param.key}_${copy}`;
    params.set(key, { key, value: param.value });
  }
  return [...params.values()];
}
