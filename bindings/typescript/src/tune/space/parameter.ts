/** What one parameter of a space is, as data: what searchers get, and what a journal keeps. */

/** The kinds of domains, by the names of the functions that make them. */
export type DomainKind =
  | 'uniform'
  | 'loguniform'
  | 'quniform'
  | 'qloguniform'
  | 'randn'
  | 'qrandn'
  | 'randint'
  | 'lograndint'
  | 'qrandint'
  | 'qlograndint'
  | 'choice'
  | 'gridSearch';

/** A parameter of a space. */
export interface ParameterDescription {
  /** Its path as text: `optimizer.lr`, `layers[0]`, and in branch i of a choice `optimizer[i].lr`. */
  readonly name: string;
  /** The keys that lead to it in a config. */
  readonly path: readonly (string | number)[];
  readonly kind: DomainKind;
  /** What the function of this name was called with: numbers, or for `choice` and `gridSearch` the list of elements (and `{ ordered: true }`). */
  readonly args: readonly unknown[];
  /** It exists only where the parameter `name` has chosen its element `index`. */
  readonly when?: { readonly name: string; readonly index: number };
}

/** The keys that lead to a place in a config, as they are written: `layers[0].units`. */
export function pathText(path: readonly (string | number)[]): string {
  return path
    .map((key, place) => (typeof key === 'number' ? `[${key}]` : place === 0 ? key : `.${key}`))
    .join('');
}
