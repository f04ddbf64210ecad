/**
 * What vitest knows of the modules that it transforms and runs in this process.
 *
 * Its modules are no modules to Node: imports are members of objects with names such as `__vite_ssr_import_0__`, and
 * only the runner's own table says which module such an object is.
 */

import { isAbsolute } from 'node:path';
import { types } from 'node:util';
import { pathToFileURL } from 'node:url';

interface EvaluatedModule {
  readonly id: string;
  readonly file?: string;
  readonly exports?: object;
  readonly externalize?: string;
  readonly meta?: { readonly externalize?: string };
}

interface RunnerState {
  readonly filepath?: string;
  readonly ctx?: { readonly files?: readonly (string | { readonly filepath: string })[] };
  readonly config?: { readonly root?: string; readonly setupFiles?: readonly string[] };
  readonly evaluatedModules?: { readonly idToModuleMap?: ReadonlyMap<string, EvaluatedModule> };
}

/** A module of the test runner. */
export interface RunnerModule {
  /** What Node can import; undefined for a module that exists only in the runner. */
  readonly url: string | undefined;
  /** The runner loaded it through Node, and shows it through a proxy that unwraps `__esModule`. */
  readonly isExternal: boolean;
  readonly isUnwrapped: boolean;
}

/** The test runner of this process. */
export interface TestRunner {
  readonly isActive: boolean;
  /** The directory that names such as `/src/x.ts` are relative to. */
  readonly root: string;
  /** Test files and what is set up before them: they only run inside the runner. */
  entryUrls(): readonly string[];
  /** The module behind an object that stands for one. */
  moduleOf(namespace: object): RunnerModule | undefined;
  /** The exports of a file, as the runner has them. */
  exportsOf(url: string): object | undefined;
}

const NONE: TestRunner = {
  isActive: false,
  root: '',
  entryUrls: () => [],
  moduleOf: () => undefined,
  exportsOf: () => undefined,
};

/** The test runner of this process, if there is one. */
export function testRunner(): TestRunner {
  const state = (globalThis as { __vitest_worker__?: RunnerState }).__vitest_worker__;
  if (state === undefined) return NONE;
  const modules = (): readonly EvaluatedModule[] => [
    ...(state.evaluatedModules?.idToModuleMap?.values() ?? []),
  ];
  return {
    isActive: true,
    root: state.config?.root ?? process.cwd(),
    entryUrls: () => entryUrls(state),
    moduleOf(namespace) {
      const found = modules().find((each) => each.exports === namespace);
      if (found === undefined) return undefined;
      const external = found.externalize ?? found.meta?.externalize;
      return {
        url: external === undefined ? fileUrl(found.file, found.id) : externalUrl(external),
        isExternal: external !== undefined,
        isUnwrapped: types.isProxy(namespace),
      };
    },
    exportsOf: (url) => modules().find((each) => fileUrl(each.file, each.id) === url)?.exports,
  };
}

function entryUrls(state: RunnerState): readonly string[] {
  const files = (state.ctx?.files ?? []).map((file) =>
    typeof file === 'string' ? file : file.filepath,
  );
  return [state.filepath, ...files, ...(state.config?.setupFiles ?? [])].flatMap((path) =>
    path === undefined || !isAbsolute(path) ? [] : [pathToFileURL(path).href],
  );
}

/** A mock has an id of its own, and a virtual module no file: Node can't import either. */
function fileUrl(file: string | undefined, id: string): string | undefined {
  if (file === undefined || !isAbsolute(file) || id !== file) return undefined;
  return pathToFileURL(file).href;
}

function externalUrl(external: string): string {
  if (/^(file|node|data):/.test(external)) return external;
  return isAbsolute(external) ? pathToFileURL(external).href : `node:${external}`;
}
