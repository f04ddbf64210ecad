/**
 * The scripts that V8 compiled: modules, CommonJS files, texts of `eval` and `new Function`.
 *
 * The inspector tells of all scripts when it is asked for one, which takes as long as the program is large: with 2,000
 * modules 60 ms. So it is the last resort. Where a script came from is the probe's answer, and its text a function of
 * V8's own that a flag makes accessible.
 *
 * A script is kept as long as functions of it are known. The last few that came from files are kept besides, because
 * functions are often made anew for each call.
 */

import { Script as CompiledScript } from 'node:vm';

import { v8Module } from '../late-modules.ts';
import { WeakValues } from '../weak-values.ts';
import { listening, post } from './inspector-session.ts';
import { type FunctionOrigin, functionOrigin } from './probe.ts';

/** A source text that V8 compiled. */
export interface Script {
  readonly id: string;
  /** A URL, a path, or nothing. */
  readonly url: string;
  /** An ECMAScript module. */
  readonly isModule: boolean;
  readonly source: string;
  /** Where V8 says that the text begins; a loader that wraps it shifts that. */
  readonly startLine: number;
  readonly startColumn: number;
}

interface ScriptParsed {
  readonly scriptId: string;
  readonly url: string;
  readonly isModule?: boolean;
  readonly startLine: number;
  readonly startColumn: number;
}

const scripts = new WeakValues<Script>();

/** So many scripts of files are kept while no function of them is known. */
const RECENT_MAX = 64;
const recent = new Set<Script>();

/**
 * The script of a function.
 *
 * @param id V8's number of the script.
 * @param origin what the probe says of the function, if it was asked.
 */
export function scriptOf(fn: Function, id: string, origin?: FunctionOrigin): Script {
  const known = scripts.get(id);
  if (known !== undefined) {
    if (recent.delete(known)) recent.add(known);
    return known;
  }
  const script = scriptByProbe(fn, id, origin ?? functionOrigin(fn)) ?? scriptByInspector(id);
  scripts.set(id, script);
  if (script.url !== '') keepRecent(script);
  return script;
}

function keepRecent(script: Script): void {
  recent.add(script);
  if (recent.size <= RECENT_MAX) return;
  const [oldest] = recent;
  recent.delete(oldest!);
}

function scriptByProbe(
  fn: Function,
  id: string,
  origin: FunctionOrigin | undefined,
): Script | undefined {
  if (origin === undefined || String(origin.scriptId) !== id) return undefined;
  const source = sourceOf(fn);
  if (source === undefined) return undefined;
  return {
    id,
    url: nameInText(source) ?? origin.name ?? '',
    isModule: origin.isModule,
    source,
    startLine: origin.startLine,
    startColumn: origin.startColumn,
  };
}

/** `//# sourceURL=…`, by which a text that was evaluated names itself. */
function nameInText(source: string): string | undefined {
  if (!source.includes('sourceURL=')) return undefined;
  return [...source.matchAll(/^[ \t]*\/\/[#@] sourceURL=[ \t]*(\S+)[ \t]*$/gm)].at(-1)?.[1];
}

/** Whoever started Node with the flag goes on having it. */
const HAS_FLAG = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].some((each) =>
  /--allow[-_]natives[-_]syntax/.test(each),
);

let read: ((fn: Function) => unknown) | undefined;

/** The text of the script that a function stands in; undefined if V8 does not tell it in this way. */
function sourceOf(fn: Function): string | undefined {
  try {
    // While it is read as well: V8 may have thrown away what it compiled, and then compiles it again.
    if (!HAS_FLAG) v8Module().setFlagsFromString('--allow-natives-syntax');
    read ??= new CompiledScript('(fn) => %FunctionGetScriptSource(fn)').runInThisContext() as (
      fn: Function,
    ) => unknown;
    const source = read(fn);
    return typeof source === 'string' ? source : undefined;
  } catch {
    // A Node whose flags are fixed, or a V8 without the function: the inspector has to do.
    return undefined;
  } finally {
    if (!HAS_FLAG) v8Module().setFlagsFromString('--no-allow-natives-syntax');
  }
}

function scriptByInspector(id: string): Script {
  let found: ScriptParsed | undefined;
  return withScripts(
    (parsed) => {
      if (parsed.scriptId === id) found = parsed;
    },
    () => readScript(id, found),
  );
}

/** The ECMAScript modules from files that this process has loaded. Costs milliseconds, and is not kept. */
export function moduleScripts(): Script[] {
  const found: ScriptParsed[] = [];
  return withScripts(
    (parsed) => {
      if (parsed.isModule === true && parsed.url.startsWith('file:')) found.push(parsed);
    },
    () => found.map((parsed) => readScript(parsed.scriptId, parsed)),
  );
}

/** The URLs of these modules. Costs milliseconds, and is not kept. */
export function moduleUrls(): Set<string> {
  const found = new Set<string>();
  return withScripts(
    ({ isModule, url }) => {
      if (isModule === true) found.add(url);
    },
    () => found,
  );
}

/** Tells of every script that V8 has, then acts while their texts can be read. */
function withScripts<R>(tell: (parsed: ScriptParsed) => void, action: () => R): R {
  return listening('Debugger.scriptParsed', tell, () => {
    post('Debugger.enable');
    try {
      return action();
    } finally {
      post('Debugger.disable');
    }
  });
}

/** Needs the domain `Debugger`. */
function readScript(id: string, parsed: ScriptParsed | undefined): Script {
  const { scriptSource } = post<{ scriptSource: string }>('Debugger.getScriptSource', {
    scriptId: id,
  });
  return {
    id,
    url: parsed?.url ?? '',
    isModule: parsed?.isModule ?? false,
    source: scriptSource,
    startLine: parsed?.startLine ?? 0,
    startColumn: parsed?.startColumn ?? 0,
  };
}
