/** Makes our own schedulers again from what a journal keeps of them. */

import { InvalidArgumentError } from '../../index.ts';
import { asha } from './asha.ts';
import { fifo } from './fifo.ts';
import { hyperbandForBohb } from './hyperband-for-bohb.ts';
import { hyperband } from './hyperband.ts';
import { medianStopping } from './median-stopping.ts';
import { patientStopping } from './patient-stopping.ts';
import { pb2 } from './pb2.ts';
import { pbtReplay } from './pbt-replay.ts';
import { pbt } from './pbt.ts';
import { percentileStopping } from './percentile-stopping.ts';
import { resourceChanging } from './resource-changing.ts';
import type { Scheduler, SchedulerDescription } from './scheduler.ts';
import { thresholdStopping } from './threshold-stopping.ts';
import { wilcoxonStopping } from './wilcoxon-stopping.ts';

type Make = (options: never) => Scheduler;

const MAKERS: Readonly<Record<string, Make>> = {
  fifo,
  asha,
  hyperband,
  hyperbandForBohb,
  medianStopping,
  percentileStopping,
  thresholdStopping,
  wilcoxonStopping,
  pbt,
  pb2,
  pbtReplay: ({ file }: { file: string }) => pbtReplay(file),
  patientStopping: ({ scheduler, ...options }: Within) =>
    patientStopping(schedulerFrom(scheduler), options as never),
  resourceChanging: ({ scheduler, ...options }: Within) =>
    resourceChanging(schedulerFrom(scheduler), options as never),
};

interface Within {
  readonly scheduler: SchedulerDescription;
}

/** A scheduler with nothing behind it, made as the described one was. @throws InvalidArgumentError for what is none of ours */
export function schedulerFrom({ name, options }: SchedulerDescription): Scheduler {
  const make = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined;
  if (make === undefined) {
    throw new InvalidArgumentError(
      `there is no scheduler ${name}; give the scheduler again with restore`,
      { argument: 'scheduler', value: name },
    );
  }
  return make(options as never);
}
