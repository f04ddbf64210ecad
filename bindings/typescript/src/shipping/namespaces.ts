/**
 * Which module a namespace object belongs to.
 *
 * JavaScript does not tell, and neither does V8. But V8 knows the modules that are loaded: if exactly one of them
 * exports just these names, and the functions among them stand in its text, the object is its namespace. In doubt there
 * is no answer, and the object can't travel.
 */

import { fileURLToPath, pathToFileURL } from 'node:url';

import { isHolder } from './holder.ts';
import { inspect } from './inspection.ts';
import { loadedCommonJs } from './loaded-modules.ts';
import { canReference, resolveGuessing } from './module-graph.ts';
import { type ModuleAnalysis, analyseModule } from './parser.ts';
import { type Script, moduleScripts } from './scripts.ts';

type Members = Readonly<Record<string, unknown>>;

/** The URL of the module of a namespace object, if it is certain and a worker can import it. */
export function urlOfNamespace(namespace: object): string | undefined {
  try {
    const url = urlOfCommonJs(namespace as Members) ?? urlOfModule(namespace as Members);
    return url !== undefined && canReference(url) ? url : undefined;
  } catch (error) {
    // An export that is not initialised yet: the module has not run, so it can't be of use anywhere.
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

/** `import` of a CommonJS module: the default export is its `module.exports`. */
function urlOfCommonJs(namespace: Members): string | undefined {
  const exports = 'default' in namespace ? namespace['default'] : undefined;
  if (!isHolder(exports)) return undefined;
  const names = Object.keys(namespace).filter(
    (name) => name !== 'default' && name !== 'module.exports',
  );
  const found = loadedCommonJs(exports);
  if (found === undefined || found.filename.endsWith('.node')) return undefined;
  return names.every((name) => name in exports) ? pathToFileURL(found.filename).href : undefined;
}

function urlOfModule(namespace: Members): string | undefined {
  const found = new LoadedModules().candidates(namespace);
  const [first] = found;
  // Modules of data from elsewhere, such as JSON, have a default export and no text that V8 compiled.
  const isTelling = Object.keys(namespace).some((name) => name !== 'default');
  if (found.length === 1) return isTelling || first!.seen.size > 0 ? first!.script.url : undefined;
  // Modules that give on the same variables are as good as each other; what else they export must have been seen.
  const best = found.find((each) =>
    found.every((other) =>
      [...each.origins].every(([name, origin]) => {
        return other.origins.get(name) === origin || each.seen.has(name);
      }),
    ),
  );
  return best?.script.url;
}

/** A module whose namespace object it may be. */
interface Candidate {
  readonly script: Script;
  /** Which variable each export is. */
  readonly origins: ReadonlyMap<string, string>;
  /** The exports that are functions or classes of this module for certain. */
  readonly seen: ReadonlySet<string>;
}

/** The modules that are loaded, and what they export. */
class LoadedModules {
  private readonly scripts = moduleScripts();
  private readonly analyses = new Map<Script, ModuleAnalysis | undefined>();

  candidates(namespace: Members): Candidate[] {
    const names = Object.keys(namespace);
    return this.scripts.flatMap((script) => {
      // Spares parsing most of them.
      const isLikely =
        /\bexport\s*\*/.test(script.source) || names.every((name) => script.source.includes(name));
      const origins = isLikely ? this.originsOf(script, new Set()) : undefined;
      if (origins?.size !== names.length || !names.every((name) => origins.has(name))) return [];
      const seen = this.seenIn(script, namespace);
      return seen === undefined ? [] : [{ script, origins, seen }];
    });
  }

  /** The exported functions that stand in a module's text; undefined if one of them does not. */
  private seenIn(script: Script, namespace: Members): Set<string> | undefined {
    const { declarations, exports } = this.analysisOf(script)!;
    const seen = new Set<string>();
    for (const { exported, local } of exports) {
      const isFunction = declarations.some(
        (each) => each.name === local && each.function !== undefined && !each.isReassigned,
      );
      if (!isFunction) continue;
      const value = namespace[exported];
      if (typeof value !== 'function' || inspect(value).scriptId !== script.id) return undefined;
      seen.add(exported);
    }
    return seen;
  }

  private analysisOf(script: Script): ModuleAnalysis | undefined {
    if (!this.analyses.has(script)) {
      this.analyses.set(script, analyseModule(script.source, false));
    }
    return this.analyses.get(script);
  }

  /** Which variable of which module each export is; undefined if the exports are not known. */
  private originsOf(script: Script, visited: Set<Script>): Map<string, string> | undefined {
    const origins = new Map<string, string>();
    if (visited.has(script)) return origins;
    visited.add(script);
    const analysis = this.analysisOf(script);
    if (analysis === undefined) return undefined;
    for (const { exported, imported, specifier } of analysis.reexports) {
      const further = this.originsFrom(specifier, script, visited);
      if (exported !== undefined) {
        const origin = imported === undefined ? undefined : further?.get(imported);
        origins.set(exported, origin ?? `${script.url} ${exported}`);
        continue;
      }
      if (further === undefined) return undefined;
      for (const [name, origin] of further) if (name !== 'default') origins.set(name, origin);
    }
    // Last, because a module's own exports hide those that it gives on.
    for (const { exported, local } of analysis.exports) {
      origins.set(exported, `${script.url}#${local}`);
    }
    return origins;
  }

  private originsFrom(
    specifier: string,
    { url }: Script,
    visited: Set<Script>,
  ): Map<string, string> | undefined {
    const [path] = resolveGuessing(specifier, fileURLToPath(url));
    if (path === undefined) return undefined;
    const target = this.scripts.find((each) => each.url === pathToFileURL(path).href);
    return target === undefined ? undefined : this.originsOf(target, visited);
  }
}
