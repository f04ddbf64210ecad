import { createRequire } from 'node:module';

/** The CommonJS module that is loaded and has these `module.exports`; undefined if there is none. */
export function loadedCommonJs(exports: unknown): NodeJS.Module | undefined {
  const { cache } = createRequire(import.meta.url);
  return Object.values(cache).find((module) => module?.exports === exports);
}
