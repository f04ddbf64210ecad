/** The way into this room: the files of an experiment that can be made again, and MLflow. */

export { outputNames, writeOutputs } from './write-outputs.ts';
export type { Importance, OutputName, OutputOptions } from './write-outputs.ts';
export { openLiveOutputs } from './live-outputs.ts';
export type { LiveOutputs } from './live-outputs.ts';
export { MlflowError, mlflow } from './mlflow.ts';
export type { MlflowCallbacks, MlflowOptions, MlflowState, MlflowTrialInfo } from './mlflow.ts';
