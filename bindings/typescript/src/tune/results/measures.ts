/** By which metrics an experiment is judged, and what users can ask for instead. */

import { InvalidArgumentError } from '../../index.ts';
import { checkOptions, flag, oneOf, text, type Check } from '../../option-checks.ts';
import type { ExperimentHeader } from '../experiment/events.ts';
import type { Mode } from '../types.ts';
import { SCOPES, type Measure, type Scope } from './scores.ts';

/** What `getBestResult` takes. */
export interface BestResultOptions {
  /** The path of a metric. @default the experiment's, if it has one */
  readonly metric?: string | undefined;
  /** @default that of the experiment's metric; it has to be given for others */
  readonly mode?: Mode | undefined;
  /** Which of a trial's values stands for it. @default 'last' */
  readonly scope?: Scope | undefined;
  /** Leave out what is NaN or infinite. @default true */
  readonly filterNanAndInf?: boolean | undefined;
}

/** The options that name a metric. */
interface MetricOptions {
  readonly metric?: string | undefined;
  readonly mode?: Mode | undefined;
}

/** `'min'` or `'max'`. */
export const modeCheck: Check<Mode> = oneOf(['min', 'max'], ', ');

/** What trials are compared by, with defaults. @throws InvalidArgumentError */
export function measureOf(
  call: string,
  header: ExperimentHeader,
  options?: BestResultOptions,
): Measure {
  const checked = checkOptions(
    call,
    { metric: text, mode: modeCheck, scope: oneOf(SCOPES, ', '), filterNanAndInf: flag },
    options,
  );
  const metric = metricOf(call, header, checked);
  return {
    metric,
    mode: modeOf(call, header, metric, checked),
    scope: checked.scope ?? 'last',
    filterNanAndInf: checked.filterNanAndInf ?? true,
  };
}

/** The metric that was asked for, or the only one of the experiment. @throws InvalidArgumentError */
export function metricOf(call: string, header: ExperimentHeader, options: MetricOptions): string {
  if (options.metric !== undefined) return options.metric;
  const [only] = header.metrics;
  if (only !== undefined && header.metrics.length === 1) return only;
  throw missing(
    call,
    'metric',
    only === undefined
      ? 'the experiment has no metric, so one has to be named'
      : `the experiment has several metrics (${header.metrics.join(', ')}), so one has to be named; paretoFront has the trials that none is better than`,
  );
}

/** The mode of a metric; undefined if the experiment has none for it. */
export function modeOfMetric(header: ExperimentHeader, metric: string): Mode | undefined {
  const place = header.metrics.indexOf(metric);
  return place === -1 ? undefined : header.modes[place];
}

function modeOf(
  call: string,
  header: ExperimentHeader,
  metric: string,
  options: MetricOptions,
): Mode {
  const mode = options.mode ?? modeOfMetric(header, metric);
  if (mode !== undefined) return mode;
  throw missing(
    call,
    'mode',
    `${JSON.stringify(metric)} is no metric of the experiment, so mode has to be given: 'min' or 'max'`,
  );
}

function missing(call: string, argument: string, reason: string): InvalidArgumentError {
  return new InvalidArgumentError(`${call}: ${reason}`, { argument, value: undefined });
}
