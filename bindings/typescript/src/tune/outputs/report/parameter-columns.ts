/** The configs of trials as columns of the report's page: parameters, and what else differs from trial to trial. */

import type { TrialRecord } from '../../experiment/record.ts';
import { type ParameterDescription, pathText } from '../../space/parameter.ts';
import { configLeaves, textOf } from '../leaves.ts';
import type { PageParameter } from './page-data.ts';

/** A choice of more elements is shown by their indices. */
const LABELS_MAX = 200;
const LABEL_LETTERS = 48;

/** A parameter as the page has it. */
export function pageParameter(
  { args, kind, name }: ParameterDescription,
  textLetters: number,
): PageParameter {
  const isChoice = kind === 'choice' || kind === 'gridSearch';
  const elements = isChoice ? (args[0] as readonly unknown[]) : [];
  const letters = Math.min(LABEL_LETTERS, textLetters);
  return {
    name: clipped(name, textLetters),
    log: /^q?log/.test(kind),
    labels:
      isChoice && elements.length <= LABELS_MAX
        ? elements.map((element) => labelOf(element, letters))
        : null,
  };
}

/** Entries of configs that no parameter gives, such as those of `sampleFrom`, where they are not the same in all trials. */
export function derivedColumns(
  trials: readonly TrialRecord[],
  parameters: readonly ParameterDescription[],
  most: number,
  textLetters: number,
): { name: string; values: string[] }[] {
  const isDerived = outsideOf(new Set(parameters.map(({ path }) => pathText(path))));
  const columns = new Map<string, string[]>();
  for (const [row, { config }] of trials.entries()) {
    for (const [path, value] of configLeaves(config)) {
      if (!isDerived(path)) continue;
      let column = columns.get(path);
      if (column === undefined) {
        column = new Array<string>(trials.length).fill('');
        columns.set(path, column);
      }
      column[row] = labelOf(value, textLetters);
    }
  }
  return [...columns]
    .filter(([, values]) => values.some((value) => value !== values[0]))
    .slice(0, most)
    .map(([path, values]) => ({ name: clipped(path, textLetters), values }));
}

/** A value as a short text. */
export function labelOf(value: unknown, letters: number): string {
  return clipped(typeof value === 'string' ? value : textOf(value), letters);
}

export function clipped(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}

/** Whether a path is neither one of these nor below one of them. What was found is remembered: trials have the same paths. */
function outsideOf(paths: ReadonlySet<string>): (path: string) => boolean {
  const known = new Map<string, boolean>();
  return (path) => {
    let isOutside = known.get(path);
    if (isOutside === undefined) {
      isOutside = !prefixes(path).some((prefix) => paths.has(prefix));
      known.set(path, isOutside);
    }
    return isOutside;
  };
}

/** `a.b[0]`: itself, `a.b`, `a`. */
function prefixes(path: string): string[] {
  const ends = [...path.matchAll(/[.[]/g)].map(({ index }) => path.slice(0, index));
  return [path, ...ends];
}
