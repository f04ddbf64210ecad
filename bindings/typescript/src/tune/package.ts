/**
 * The one file that tuning is built into: what users import, and what its workers run, which travels by the names that it has here.
 */

export * as tune from './index.ts';
export { TrialMailbox } from './trial/mailbox.ts';
export { runFunction } from './trial/run.ts';
export { TrialActor } from './trial/trial-actor.ts';
