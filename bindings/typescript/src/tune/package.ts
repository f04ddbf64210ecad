/**
 * The one file that tuning is built into: what users import from `eagleray/tune` and `eagleray/tune/testing`, what its workers run,
 * and the command line. All of it travels by the names that it has here; each door has its own (`bindings/scripts/doors.mjs`).
 */

export * from './index.ts';
export * from './testing/index.ts';
export { commandLine } from './cli/command-line.ts';
export { TrialMailbox } from './trial/mailbox.ts';
export { runFunction } from './trial/run.ts';
export { TrialActor } from './trial/trial-actor.ts';
