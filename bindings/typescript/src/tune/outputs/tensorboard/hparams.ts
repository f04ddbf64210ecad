/**
 * What TensorBoard's HParams page reads: what can be chosen and which metrics count, the config of a trial, and how it ended.
 *
 * Source: `api.proto` and `plugin_data.proto` in tensorboard/plugins/hparams.
 */

import type { ExperimentHeader } from '../../experiment/events.ts';
import type { TrialRecord } from '../../experiment/record.ts';
import type { MetricValue } from '../../types.ts';
import { configLeaves, textOf } from '../leaves.ts';
import { pluginValue } from './event.ts';
import { doubleField, integerField, messageField, textField } from './protobuf.ts';

const PLUGIN = 'hparams';
const DATA_TYPE = { string: 1, boolean: 2, number: 3 } as const;
const STATUS = { success: 1, failure: 2 } as const;

/** The values of the first event of a trial: the experiment, and the trial's config. */
export function beginningOf(header: ExperimentHeader, trial: TrialRecord): Buffer[] {
  const leaves = configLeaves(trial.config);
  const experiment = [
    textField(6, header.name),
    doubleField(3, header.createdAt / 1000),
    ...leaves.map(([path, value]) => messageField(4, parameterInfo(path, value))),
    // A metric: its name (group 1, tag 2).
    ...header.metrics.map((metric) => messageField(5, messageField(1, textField(2, metric)))),
  ];
  const session = [
    // A map is a list of entries: key 1, value 2.
    ...leaves.map(([path, value]) =>
      messageField(1, textField(1, path), messageField(2, parameterValue(value))),
    ),
    textField(4, trial.header.id),
    doubleField(5, (trial.startedAt ?? header.createdAt) / 1000),
  ];
  return [
    pluginData('_hparams_/experiment', 2, experiment),
    pluginData('_hparams_/session_start_info', 3, session),
  ];
}

/** The value of the last event of a trial that has ended. */
export function endOf(trial: TrialRecord, atMs: number): Buffer {
  const status = trial.status === 'ERROR' ? STATUS.failure : STATUS.success;
  return pluginData('_hparams_/session_end_info', 4, [
    integerField(1, status),
    doubleField(2, atMs / 1000),
  ]);
}

/** @param kind the field of HParamsPluginData; its version is 0, the default */
function pluginData(tag: string, kind: number, fields: readonly Buffer[]): Buffer {
  return pluginValue(tag, PLUGIN, messageField(kind, ...fields));
}

function parameterInfo(path: string, value: MetricValue): Buffer {
  const type = DATA_TYPE[typeof value as keyof typeof DATA_TYPE] ?? DATA_TYPE.string;
  return Buffer.concat([textField(1, path), integerField(4, type)]);
}

/** A `google.protobuf.Value`: number 2, text 3, boolean 4. What is neither is shown as JSON. */
function parameterValue(value: MetricValue): Buffer {
  if (typeof value === 'number') return doubleField(2, value);
  if (typeof value === 'boolean') return integerField(4, value ? 1 : 0);
  return textField(3, typeof value === 'string' ? value : textOf(value));
}
