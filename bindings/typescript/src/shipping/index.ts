/**
 * Functions and classes between processes: by reference where the receiver can import them, else as text and values.
 *
 * A `Shipment` describes the functions that travel together (`describeFunction` of the codec), a `Delivery` makes them
 * again (`constructFunction`), after `load` has loaded what `requiredModules` names. `moduleUrl`, `moduleNamespace`
 * and `builtInModuleUrl` are the codec's of the same names.
 *
 * Before use: `useParser` and `useProbe` (the native module has both), `useSdkExports` (what the SDK exports), and in
 * workers `useEntryUrls` (the driver's `entryUrls()`).
 */

export { useSdkExports } from './built-ins.ts';
export { execArgvForWorkers } from './exec-arguments.ts';
export { newIdentity } from './identity.ts';
export { builtInModuleUrl, load, moduleNamespace, moduleUrl } from './loading.ts';
export { canImport, entryUrls, useEntryUrls } from './module-graph.ts';
export { isOfImportedModule, placeInFile } from './module-places.ts';
export { type Parser, useParser } from './parser.ts';
export { isOfPlatform } from './platform.ts';
export { type Probe, useProbe } from './probe.ts';
export { Delivery, presentFor } from './rebuild.ts';
export { Shipment } from './shipment.ts';
export { describeSymbol, symbolOf } from './symbols.ts';
export { weakCollections } from './weak-collections.ts';
