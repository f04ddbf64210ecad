/** Random configs, and those of `gridSearch`: Ray's `BasicVariantGenerator`. And the grid of a whole space: Optuna's `BruteForceSampler`. */

import { InvalidArgumentError } from '../../index.ts';
import { checkOptions, flag } from '../../option-checks.ts';
import { spaceOf } from '../space/descriptions.ts';
import type { Space } from '../space/space.ts';
import { SearchEngine } from './engine.ts';
import { refuseGrid } from './native-searcher.ts';
import type { AskedTrial, Searcher, SearcherDescription, SearcherSetup } from './searcher.ts';
import { type SeedOption, seedCheck } from './searchers.ts';

/** Options of {@link basicVariant}. */
export interface BasicVariantOptions extends SeedOption {
  /** All configs of one sample of the grid have the same random values. @default false */
  readonly constantGridSearch?: boolean;
}

/** Options of {@link grid}. */
export interface GridOptions extends SeedOption {
  /** In a random order. @default false */
  readonly shuffle?: boolean;
}

/** Random values for domains, and each element of `gridSearch` in turn. The default searcher. @throws InvalidArgumentError */
export function basicVariant(options?: BasicVariantOptions): Searcher {
  const given = checkOptions(
    'basicVariant()',
    { seed: seedCheck, constantGridSearch: flag },
    options,
  );
  return new BasicVariant(given.constantGridSearch ?? false, given.seed, given);
}

/** Every config of a finite space once, as nested loops make them. @throws InvalidArgumentError */
export function grid(options?: GridOptions): Searcher {
  const given = checkOptions('grid()', { seed: seedCheck, shuffle: flag }, options);
  return new Grid(given.shuffle ?? false, given.seed, given);
}

/** What a trial tries depends on the seed and its place alone. */
class BasicVariant implements Searcher {
  readonly description: SearcherDescription;
  readonly isAdaptive = false;
  configsPerSample = 1;
  readonly #isGridConstant: boolean;
  readonly #seed: number | undefined;
  #space: Space | undefined;
  #engine: SearchEngine | undefined;
  /** The parameters of `gridSearch`, the last declared one first, with how many elements each has. */
  #grid: { readonly parameter: number; readonly count: number }[] = [];

  constructor(isGridConstant: boolean, seed: number | undefined, given: BasicVariantOptions) {
    this.description = { name: 'basicVariant', options: { ...given } };
    this.#isGridConstant = isGridConstant;
    this.#seed = seed;
  }

  setup({ parameters, seed }: SearcherSetup): void {
    this.#space = spaceOf(parameters, 'basicVariant()');
    const { parameters: all } = this.#space;
    this.#engine = new SearchEngine(all, { name: 'random' }, 0, this.#seed ?? seed);
    this.#grid = all
      .flatMap(({ kind, range }, parameter) =>
        kind === 'gridSearch' && range.form === 'choice' ? [{ parameter, count: range.count }] : [],
      )
      .reverse();
    this.configsPerSample = this.#grid.reduce((product, { count }) => product * count, 1);
  }

  ask({ number, place = number }: AskedTrial): unknown {
    const sample = Math.floor(place / this.configsPerSample);
    const values = this.#engine!.ask(this.#isGridConstant ? sample : place) as number[];
    let rest = place % this.configsPerSample;
    for (const { parameter, count } of this.#grid) {
      values[parameter] = rest % count;
      rest = Math.floor(rest / count);
    }
    return this.#space!.build(values, null);
  }

  tell(): void {
    // What came of others changes nothing.
  }
}

class Grid implements Searcher {
  readonly description: SearcherDescription;
  readonly isAdaptive = false;
  readonly isExhaustive = true;
  readonly #isShuffled: boolean;
  readonly #seed: number | undefined;
  #space: Space | undefined;
  #engine: SearchEngine | undefined;
  /** Where in the order of all configs the next one stands. */
  #next = 0;
  readonly #tried = new Set<string>();

  constructor(isShuffled: boolean, seed: number | undefined, given: GridOptions) {
    this.description = { name: 'grid', options: { ...given } };
    this.#isShuffled = isShuffled;
    this.#seed = seed;
  }

  setup({ parameters, seed }: SearcherSetup): void {
    refuseGrid(parameters, 'grid');
    this.#space = spaceOf(parameters, 'grid()');
    const endless = this.#space.parameters.find(
      ({ range }) => range.form === 'float' || range.form === 'normal',
    );
    if (endless !== undefined) {
      throw new InvalidArgumentError(
        `grid(): ${endless.name} has no finite number of values (${endless.kind}); use choice(), or a domain with steps`,
        { argument: endless.name },
      );
    }
    this.#next = 0;
    this.#tried.clear();
    const algorithm = { name: 'grid', shuffle: this.#isShuffled } as const;
    this.#engine = new SearchEngine(this.#space.parameters, algorithm, 0, this.#seed ?? seed);
  }

  ask(): unknown {
    for (;;) {
      const values = this.#engine!.ask(this.#next);
      if (typeof values === 'string') return values;
      this.#next++;
      // One that somebody has chosen, or that an earlier process has run.
      if (!this.#add(values)) continue;
      return this.#space!.build(values, null);
    }
  }

  observe(_trial: AskedTrial, config: unknown): void {
    this.#add(this.#space!.valuesWithin(config, 'grid()'));
  }

  tell(trial: AskedTrial, { config }: { readonly config: unknown }): void {
    this.observe(trial, config);
  }

  /** False if it was there. */
  #add(values: readonly number[]): boolean {
    const key = values.join();
    if (this.#tried.has(key)) return false;
    this.#tried.add(key);
    return true;
  }
}
