/**
 * The calls of MLflow's REST API that logging needs, with what it allows in them.
 *
 * - MC-1 Every failure is an `MlflowError` that has the call, and MLflow's own code and message where it gave any.
 * - MC-2 What can be said twice without harm is tried again when the server is busy or the connection breaks; what makes something is
 *   tried again only where the server said that it did nothing.
 *
 * Source: mlflow.org/docs/latest/rest-api.html.
 */

import { setTimeout as delay } from 'node:timers/promises';

import { TuneError } from '../errors.ts';
import { textOf } from './leaves.ts';

/** The most that a call of `log-batch` may have. */
export const METRICS_PER_BATCH = 1000;
export const PARAMS_PER_BATCH = 100;

const PARAM_LETTERS_MAX = 6000;
const KEY_LETTERS_MAX = 250;
const TAG_LETTERS_MAX = 5000;
/** As MLflow's own clients have it: a server on SQLite is slow when many come at once. */
const TIMEOUT_MS = 120_000;
const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 250;

/** MLflow's server refused a call or could not be reached. */
export class MlflowError extends TuneError {
  static {
    // As all errors of tuning: on the prototype, and not enumerable.
    Object.defineProperty(this.prototype, 'name', {
      value: 'MlflowError',
      configurable: true,
      writable: true,
    });
  }
  /** Such as `runs/log-batch`. */
  readonly call: string;
  /** Of HTTP; null if there was no answer. */
  readonly status: number | null;
  /** MLflow's own, such as `RESOURCE_DOES_NOT_EXIST`; null if it gave none. */
  readonly errorCode: string | null;

  constructor(
    message: string,
    details: {
      readonly call: string;
      readonly status: number | null;
      readonly errorCode: string | null;
    },
    options?: ErrorOptions,
  ) {
    super('ERR_EAGLERAY_TUNE_MLFLOW', message, options);
    this.call = details.call;
    this.status = details.status;
    this.errorCode = details.errorCode;
  }
}

/** A value of a metric at a step. */
export interface MlflowMetric {
  readonly key: string;
  /** What is not finite is a text in JSON of Protocol Buffers. */
  readonly value: number | 'NaN' | 'Infinity' | '-Infinity';
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly step: number;
}

export interface MlflowEntry {
  readonly key: string;
  readonly value: string;
}

export interface MlflowBatch {
  readonly metrics?: readonly MlflowMetric[];
  readonly params?: readonly MlflowEntry[];
  readonly tags?: readonly MlflowEntry[];
}

export type MlflowRunStatus = 'RUNNING' | 'FINISHED' | 'FAILED' | 'KILLED';

export class MlflowClient {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;

  /**
   * @param trackingUri `http://host:5000`
   *
   * `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, are sent along, as MLflow's own clients do.
   */
  constructor(trackingUri: string) {
    this.#base = `${trackingUri.replace(/\/+$/, '')}/api/2.0/mlflow/`;
    this.#headers = { 'content-type': 'application/json', ...authorization() };
  }

  /** The id of an experiment, which is made if need be. @throws MlflowError */
  async experimentId(name: string): Promise<string> {
    const query = `experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`;
    const found = () => this.#call<{ experiment: { experiment_id: string } }>('GET', query);
    try {
      return (await found()).experiment.experiment_id;
    } catch (error) {
      if (!isCode(error, 'RESOURCE_DOES_NOT_EXIST')) throw error;
    }
    try {
      const made = await this.#call<{ experiment_id: string }>('POST', 'experiments/create', {
        name,
      });
      return made.experiment_id;
    } catch (error) {
      // Somebody else has made it in between.
      if (!isCode(error, 'RESOURCE_ALREADY_EXISTS')) throw error;
      return (await found()).experiment.experiment_id;
    }
  }

  /** Begins a run. @returns its id @throws MlflowError */
  async createRun(
    experimentId: string,
    name: string,
    startTimeMs: number,
    tags: readonly MlflowEntry[],
  ): Promise<string> {
    const made = await this.#call<{ run: { info: { run_id: string } } }>('POST', 'runs/create', {
      experiment_id: experimentId,
      run_name: name,
      start_time: startTimeMs,
      tags: tags.map(fittingTag),
    });
    return made.run.info.run_id;
  }

  /** Logs any number of values, in as many calls as they need. @throws MlflowError */
  async log(runId: string, { metrics = [], params = [], tags = [] }: MlflowBatch): Promise<void> {
    const calls = Math.max(
      Math.ceil(metrics.length / METRICS_PER_BATCH),
      Math.ceil(params.length / PARAMS_PER_BATCH),
      tags.length > 0 ? 1 : 0,
    );
    for (let call = 0; call < calls; call++) {
      await this.#call('POST', 'runs/log-batch', {
        run_id: runId,
        metrics: metrics.slice(call * METRICS_PER_BATCH, (call + 1) * METRICS_PER_BATCH),
        params: params.slice(call * PARAMS_PER_BATCH, (call + 1) * PARAMS_PER_BATCH),
        // There are few.
        tags: call === 0 ? tags.map(fittingTag) : [],
      });
    }
  }

  /** @param endTimeMs left out where it has not ended @throws MlflowError */
  async updateRun(runId: string, status: MlflowRunStatus, endTimeMs?: number): Promise<void> {
    await this.#call('POST', 'runs/update', {
      run_id: runId,
      status,
      ...(endTimeMs === undefined ? {} : { end_time: endTimeMs }),
    });
  }

  async #call<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
    const call = path.replace(/\?.*/, '');
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.#callOnce(call, method, path, body)) as T;
      } catch (error) {
        if (attempt === ATTEMPTS || !canBeRepeated(error)) throw error;
        await delay(FIRST_PAUSE_MS * 2 ** (attempt - 1));
      }
    }
  }

  async #callOnce(
    call: string,
    method: 'GET' | 'POST',
    path: string,
    body: object | undefined,
  ): Promise<unknown> {
    let status: number | null = null;
    let text: string;
    try {
      const response = await fetch(this.#base + path, {
        method,
        headers: this.#headers,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      status = response.status;
      text = await response.text();
    } catch (error) {
      const message = `MLflow: ${call} at ${this.#base} got no answer: ${reasonOf(error)}`;
      throw new MlflowError(message, { call, status, errorCode: null }, { cause: error });
    }
    const answer = parsed(text);
    if (status >= 200 && status < 300 && answer !== undefined) return answer;
    const errorCode = typeof answer?.['error_code'] === 'string' ? answer['error_code'] : null;
    const said = typeof answer?.['message'] === 'string' ? answer['message'] : text.slice(0, 200);
    throw new MlflowError(
      `MLflow: ${call} at ${this.#base} was answered with ${status}${errorCode === null ? '' : ` ${errorCode}`}: ${said}`,
      { call, status, errorCode },
    );
  }
}

/** A name as MLflow takes it: letters, digits, `_ - . / space`; `layers[0]` is `layers.0`. */
export function mlflowKey(path: string): string {
  return path
    .replaceAll(/\[(\d+)\]/g, '.$1')
    .replaceAll(/[^\p{L}\p{N}_\-./ ]/gu, '_')
    .slice(0, KEY_LETTERS_MAX);
}

/** A value of a parameter, as text that MLflow takes. */
export function mlflowParam(key: string, value: unknown): MlflowEntry {
  const text = typeof value === 'string' ? value : textOf(value);
  return { key: mlflowKey(key), value: fitting(text, PARAM_LETTERS_MAX) };
}

function fittingTag({ key, value }: MlflowEntry): MlflowEntry {
  return { key, value: fitting(value, TAG_LETTERS_MAX) };
}

function fitting(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}

/** Calls that make something twice, if it was made and the answer lost. */
const MAKES: ReadonlySet<string> = new Set(['runs/create', 'experiments/create']);

function canBeRepeated(error: unknown): boolean {
  if (!(error instanceof MlflowError)) return false;
  // Too many requests, and unavailable: nothing was done.
  if (error.status === 429 || error.status === 503) return true;
  return !MAKES.has(error.call) && (error.status === null || error.status >= 500);
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof MlflowError && error.errorCode === code;
}

function authorization(): { authorization?: string } {
  const { MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_USERNAME } = process.env;
  if (MLFLOW_TRACKING_TOKEN) return { authorization: `Bearer ${MLFLOW_TRACKING_TOKEN}` };
  if (!MLFLOW_TRACKING_USERNAME) return {};
  const both = `${MLFLOW_TRACKING_USERNAME}:${MLFLOW_TRACKING_PASSWORD ?? ''}`;
  return { authorization: `Basic ${Buffer.from(both).toString('base64')}` };
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text === '' ? '{}' : text);
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    // Not MLflow's answer: a proxy's page, say. The caller shows it.
    return undefined;
  }
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message || String(cause) : message;
}
