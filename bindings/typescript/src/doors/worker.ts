/**
 * What worker processes are started with: `dist/worker.cjs`, a file of its own, which loads the SDK with the code that an
 * earlier process has compiled. Compiling is a third of what a worker does of its own until it is ready.
 */

import nodeModule from 'node:module';
import { join } from 'node:path';

import { USED_AFTER_MS, loadCompiled } from './compiled-code.ts';
import type * as wholePackage from '../package.ts';

/** Names the content of `eagleray.cjs`; the build puts it here. */
declare const SDK_STAMP: string;
/** The global symbol under which the doors `index.js` and `index.cjs` find an SDK that is loaded; the build puts it here. */
declare const SDK_KEY: string;

const loaded = loadCompiled(join(__dirname, 'eagleray.cjs'), SDK_STAMP, 'worker');
const canKeep = loaded.keep('loaded');
const { sdk, startWorker } = loaded.exports as typeof wholePackage;
// Functions that arrive import the package by one of its doors, and get this very SDK.
Object.defineProperty(globalThis, Symbol.for(SDK_KEY), { value: sdk, configurable: true });
// For the modules of the program, where Node can. Where no folder can be made Node may try for ever (`makeFolder`).
if (canKeep) nodeModule.enableCompileCache?.();
startWorker();
setTimeout(() => {
  loaded.keep('used');
  nodeModule.flushCompileCache?.();
}, USED_AFTER_MS).unref();
