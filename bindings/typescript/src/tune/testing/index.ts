/**
 * eagleray/tune/testing: tries schedulers and searchers without running anything.
 *
 * ```ts
 * import { checkSearcher, simulate } from 'eagleray/tune/testing';
 * ```
 */

export { checkSearcher } from './check-searcher.ts';
export { simulate, type SimulateOptions, type SimulationResult } from './simulate.ts';
