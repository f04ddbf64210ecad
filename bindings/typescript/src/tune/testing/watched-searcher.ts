/**
 * A searcher under watch: every call is checked, and what is wrong is thrown as a sentence about it.
 *
 * - WS-1 What it is given is a copy of its own, so that nothing that it does to that changes the check.
 */

import { isDeepStrictEqual } from 'node:util';

import { InvalidArgumentError, NotSupportedError } from '../../index.ts';
import { letGo } from '../answers-at-once.ts';
import { copyOfData } from '../data-copies.ts';
import type { AskedTrial, Searcher, ToldTrial } from '../search/searcher.ts';
import type { ParameterDescription } from '../space/parameter.ts';
import type { ReportedMetrics } from '../types.ts';
import type { SearcherCase } from './searcher-cases.ts';

/** A fault of a searcher. `what` goes on from its name or from that of one of its methods. */
export function faultOf(what: string, tried: SearcherCase | null, cause?: unknown): Error {
  const where = tried === null ? '' : ` (space: ${tried.name})`;
  return new InvalidArgumentError(
    `checkSearcher(): ${what}${where}`,
    { argument: 'factory' },
    cause === undefined ? undefined : { cause },
  );
}

/** A config with its numbers. */
export interface Proposed {
  readonly config: unknown;
  readonly values: readonly number[];
}

/** See the file. */
export class WatchedSearcher {
  readonly #searcher: Searcher;
  readonly #case: SearcherCase;
  #givenAtSetup: { readonly given: unknown; readonly before: unknown } | undefined;

  constructor(searcher: Searcher, tried: SearcherCase) {
    this.#searcher = searcher;
    this.#case = tried;
  }

  get isAdaptive(): boolean {
    return this.#searcher.isAdaptive !== false;
  }

  get isExhaustive(): boolean {
    return this.#searcher.isExhaustive === true;
  }

  repeatIndexOf(number: number): number | undefined {
    return this.#searcher.repeatIndexOf?.(number);
  }

  /** False if it refuses the space or the metrics, which it may. */
  setup(seed: number): boolean {
    const { space, metrics } = this.#case;
    const given = {
      parameters: space.parameters.map(descriptionOf),
      metrics: copyOfData(metrics),
      seed,
    };
    this.#givenAtSetup = { given, before: copyOfData(given) };
    try {
      this.#requireNothing('setup()', this.#searcher.setup(given));
    } catch (error) {
      const isFault = error instanceof InvalidArgumentError && error.argument === 'factory';
      const isRefusal = error instanceof InvalidArgumentError || error instanceof NotSupportedError;
      if (isRefusal && !isFault) return false;
      if (isFault) throw error;
      throw this.#thrown('setup()', error);
    }
    this.#requireUnchanged('setup()');
    return true;
  }

  /** @throws the sentence about what is wrong with its answer */
  ask(number: number): Proposed | 'wait' | 'done' {
    const call = `ask() for trial ${number}`;
    const answer = this.#call(call, [askedTrial(number)] as const, (trial) =>
      this.#searcher.ask(trial),
    );
    if (answer === 'wait' || answer === 'done') return answer;
    letGo(answer);
    if (isPromise(answer)) throw this.#fault(`${call} gave a promise; it has to answer at once`);
    if (typeof answer !== 'object' || answer === null) {
      throw this.#fault(
        `${call} gave ${JSON.stringify(answer) ?? String(answer)}; it has to give a config, 'wait' or 'done'`,
      );
    }
    return { config: copyOfData(answer), values: this.#valuesOf(call, answer) };
  }

  observe(number: number, config: unknown): void {
    if (this.#searcher.observe === undefined) return;
    const call = `observe() of trial ${number}`;
    const given: [AskedTrial, unknown] = [askedTrial(number), copyOfData(config)];
    const returned = this.#call(call, given, (one, other) => this.#searcher.observe!(one, other));
    this.#requireNothing(call, returned);
  }

  /** What an earlier process has asked for. */
  resume(number: number, config: unknown, repeatIndex: number | undefined): void {
    if (this.#searcher.resume === undefined) {
      this.observe(number, config);
      return;
    }
    const call = `resume() of trial ${number}`;
    const given: [AskedTrial, unknown] = [askedTrial(number), copyOfData(config)];
    const returned = this.#call(call, given, (one, other) =>
      this.#searcher.resume!(one, other, repeatIndex),
    );
    this.#requireNothing(call, returned);
  }

  onResult(number: number, metrics: ReportedMetrics): void {
    if (this.#searcher.onResult === undefined) return;
    const call = `onResult() of trial ${number}`;
    const returned = this.#call(
      call,
      [askedTrial(number), copyOfData(metrics)] as const,
      (one, other) => this.#searcher.onResult!(one, other),
    );
    this.#requireNothing(call, returned);
  }

  tell(number: number, result: ToldTrial): void {
    const call = `tell() of trial ${number} (${result.status})`;
    const returned = this.#call(
      call,
      [askedTrial(number), copyOfData(result)] as const,
      (one, other) => this.#searcher.tell(one, other),
    );
    this.#requireNothing(call, returned);
  }

  #call<Given extends readonly unknown[], Returned>(
    call: string,
    given: Given,
    act: (...given: Given) => Returned,
  ): Returned {
    const before = copyOfData(given);
    let returned: Returned;
    try {
      returned = act(...given);
    } catch (error) {
      throw this.#thrown(call, error);
    }
    if (!isDeepStrictEqual(given, before)) throw this.#fault(`${call} changed what it was given`);
    this.#requireUnchanged(call);
    return returned;
  }

  #requireUnchanged(call: string): void {
    const { given, before } = this.#givenAtSetup!;
    if (isDeepStrictEqual(given, before)) return;
    throw this.#fault(`${call} changed the parameters or metrics that setup() was given`);
  }

  #requireNothing(call: string, returned: unknown): void {
    letGo(returned);
    if (isPromise(returned)) {
      throw this.#fault(`${call} returned a promise; what it does has to be done at once`);
    }
  }

  #valuesOf(call: string, config: unknown): number[] {
    const { space } = this.#case;
    try {
      return space.valuesOfAnswer(config, call);
    } catch (error) {
      const missing = this.#missingIn(config);
      const detail = error instanceof Error ? error.message.slice(call.length + 2) : String(error);
      throw this.#fault(
        missing === undefined
          ? `${call} gave a config outside of the space: ${detail}`
          : `${call} left out the parameter ${missing}`,
        error,
      );
    }
  }

  #missingIn(config: unknown): string | undefined {
    const { space } = this.#case;
    try {
      const values = space.partialValuesOf(config, 'ask()');
      return space.parameters[values.indexOf(undefined)]?.name;
    } catch {
      // Something else is wrong with it, too.
      return undefined;
    }
  }

  #thrown(call: string, error: unknown): Error {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return this.#fault(`${call} threw ${text}`, error);
  }

  #fault(what: string, cause?: unknown): Error {
    return faultOf(what, this.#case, cause);
  }
}

/** As searchers get it: data, that can be changed here. */
function descriptionOf({
  name,
  path,
  kind,
  args,
  when,
}: ParameterDescription): ParameterDescription {
  const description = { name, path, kind, args };
  return copyOfData(when === undefined ? description : { ...description, when });
}

function askedTrial(number: number): AskedTrial {
  return {
    number,
    id: number < 0 ? `known-${-number - 1}` : String(number).padStart(5, '0'),
  };
}

function isPromise(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
