/**
 * The one file that tuning is built into: what users import, what its workers run, and the command line. All of it travels by the
 * names that it has here; the doors leave out what is not for users (`bindings/scripts/doors.mjs`).
 */

export * from './index.ts';
export { commandLine } from './cli/command-line.ts';
export { TrialMailbox } from './trial/mailbox.ts';
export { runFunction } from './trial/run.ts';
export { TrialActor } from './trial/trial-actor.ts';
