/**
 * The one file that the package has: what users import, and what a worker process runs. The small files beside it in
 * `dist/` are the ways in (`doors/`, and `bindings/scripts/doors.mjs`): by `import`, by `require`, and as a worker.
 */

export * as sdk from './index.ts';
export { whenStarted } from './driver.ts';
export { startWorker } from './worker/main.ts';
