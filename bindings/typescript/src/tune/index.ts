/**
 * eagleray/tune: hyper-parameter tuning.
 *
 * ```ts
 * import { Tuner, loguniform, report } from 'eagleray/tune';
 *
 * const results = await new Tuner(train, { space: { lr: loguniform(1e-5, 1e-1) }, metric: 'loss', mode: 'min', numSamples: 20 }).fit();
 * console.log(results.best.config);
 * ```
 */

export { Tuner, type TrainableFor } from './tuner/tuner.ts';
export type {
  CheckpointOptions,
  PartialConfig,
  RestoreOptions,
  SearchOptions,
  TunerOptions,
} from './tuner/settings.ts';
export { loadResults, writeOutputs } from './tuner/experiment-folder.ts';
export { readJournal, type KnownResult } from './journal/known-results.ts';
export { Study, type StudyOptions, type StudyTrial } from './study.ts';
export { withParameters, type WithParameters } from './tuner/with-parameters.ts';

export {
  choice,
  gridSearch,
  loguniform,
  lograndint,
  qlograndint,
  qloguniform,
  qrandint,
  qrandn,
  quniform,
  randint,
  randn,
  sampleFrom,
  uniform,
  type ChoiceOptions,
  type Config,
  type Domain,
  type RandomNumbers,
  type SampledValue,
} from './space/domain.ts';
export type { ParameterDescription } from './space/parameter.ts';

export {
  basicVariant,
  grid,
  type BasicVariantOptions,
  type GridOptions,
} from './search/basic-variant.ts';
export {
  bohb,
  cmaes,
  gp,
  halton,
  nsga2,
  sobol,
  tpe,
  type BohbOptions,
  type CmaesOptions,
  type GpOptions,
  type Nsga2Options,
  type SequenceOptions,
  type TpeOptions,
} from './search/searchers.ts';
export {
  concurrencyLimiter,
  repeater,
  type ConcurrencyLimiterOptions,
  type RepeaterOptions,
} from './search/wrappers.ts';
export type {
  AskedTrial,
  Searcher,
  SearcherSetup,
  SearchScore,
  ToldTrial,
} from './search/searcher.ts';

export { asha, type AshaOptions } from './schedulers/asha.ts';
export { fifo } from './schedulers/fifo.ts';
export { hyperband } from './schedulers/hyperband.ts';
export { hyperbandForBohb } from './schedulers/hyperband-for-bohb.ts';
export { medianStopping, type MedianStoppingOptions } from './schedulers/median-stopping.ts';
export { patientStopping, type PatientStoppingOptions } from './schedulers/patient-stopping.ts';
export { pbt, type PbtOptions } from './schedulers/pbt.ts';
export { pbtReplay } from './schedulers/pbt-replay.ts';
export {
  percentileStopping,
  type PercentileStoppingOptions,
} from './schedulers/percentile-stopping.ts';
export { resourceChanging, type ResourceChangingOptions } from './schedulers/resource-changing.ts';
export {
  thresholdStopping,
  type ThresholdStoppingOptions,
} from './schedulers/threshold-stopping.ts';
export { wilcoxonStopping, type WilcoxonStoppingOptions } from './schedulers/wilcoxon-stopping.ts';
export type {
  Decision,
  ScheduledTrial,
  Scheduler,
  SchedulerControl,
  SchedulerSetup,
} from './schedulers/scheduler.ts';

export { experimentPlateauStopper } from './stoppers/experiment-plateau-stopper.ts';
export { maximumIterationStopper } from './stoppers/maximum-iteration-stopper.ts';
export { stagnationStopper } from './stoppers/stagnation-stopper.ts';
export { allOf } from './stoppers/stopper-of.ts';
export { timeoutStopper } from './stoppers/timeout-stopper.ts';
export { trialPlateauStopper } from './stoppers/trial-plateau-stopper.ts';
export type { StopBounds, StopCondition, StopFunction, Stopper } from './stoppers/stopper.ts';

export { Checkpoint } from './trial/checkpoint.ts';
export {
  getCheckpoint,
  getContext,
  report,
  reportSync,
  type ReportOptions,
  type TrialContext,
} from './trial/context.ts';
export {
  Trainable,
  type StepResult,
  type TrainableClass,
  type TrainableFunction,
} from './trial/trainable.ts';

export {
  jsonReporter,
  lineReporter,
  tableReporter,
  type Reporter,
  type TableReporterOptions,
} from './reporters/reporters.ts';
export type { ReporterState } from './reporters/state.ts';
export { mlflow, type OutputName } from './outputs/index.ts';
export type { Callback, CallbackInfo } from './tuner/callbacks.ts';

export { ResultGrid } from './results/result-grid.ts';
export type {
  AutoMetrics,
  ConfigChange,
  Metrics,
  MetricValue,
  Mode,
  ReportedMetrics,
  Result,
  StopReason,
  TrialResources,
  TrialStatus,
} from './types.ts';

export {
  ExperimentExistsError,
  ExperimentLockedError,
  JournalError,
  MetricError,
  NoResultError,
  SearchExhaustedError,
  SpaceError,
  StorageError,
  TrialFailedError,
  TrialStoppedError,
  TrialTimeoutError,
  TuneError,
} from './errors.ts';
