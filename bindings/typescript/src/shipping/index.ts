/**
 * Functions and classes between processes: by reference where the receiver can import them, else as text and values.
 *
 * `describe` and `moduleUrl` are the codec's `describeFunction` and `moduleUrl`; `constructFunction` and
 * `moduleNamespace` its counterparts, after `load` has loaded what `requiredModules` names.
 *
 * Before use: `useParser` (the native parser), `useSdkExports` (what the SDK exports), and in workers `useEntryUrls`
 * (the driver's `entryUrls()`).
 */

export { useSdkExports } from './built-ins.ts';
export { describe, forget } from './describe.ts';
export { execArgvForWorkers } from './exec-arguments.ts';
export { load, moduleNamespace, moduleUrl } from './loading.ts';
export { canImport, entryUrls, useEntryUrls } from './module-graph.ts';
export { type Parser, useParser } from './parser.ts';
export { isOfPlatform } from './platform.ts';
export { constructFunction } from './rebuild.ts';
