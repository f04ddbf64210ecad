/** The space of parameters that are known by their descriptions alone, as searchers get them: without its constants. */

import {
  ChoiceDomain,
  type Domain,
  NumericDomain,
  loguniform,
  lograndint,
  qlograndint,
  qloguniform,
  qrandint,
  qrandn,
  quniform,
  randint,
  randn,
  uniform,
} from './domain.ts';
import type { DomainKind, ParameterDescription } from './parameter.ts';
import { type Parameter, Space } from './space.ts';

const NUMERIC_DOMAINS = {
  uniform,
  loguniform,
  quniform,
  qloguniform,
  randn,
  qrandn,
  randint,
  lograndint,
  qrandint,
  qlograndint,
} satisfies Record<
  Exclude<DomainKind, 'choice' | 'gridSearch'>,
  (...args: never[]) => Domain<number>
>;

/** @throws InvalidArgumentError for descriptions that no domain has */
export function spaceOf(descriptions: readonly ParameterDescription[], call: string): Space {
  const space = {};
  for (const description of descriptions) {
    // Those of branches stand inside the elements of their choice.
    if (description.when === undefined) place(space, description.path, domainOf(description));
  }
  return new Space(space, call);
}

/**
 * Parameters of descriptions that are mere data, as a journal has them: what is in the branches of a choice is known by its own
 * description only.
 *
 * @throws InvalidArgumentError for descriptions that no domain has
 */
export function parametersOf(descriptions: readonly ParameterDescription[]): Parameter[] {
  const places = new Map(descriptions.map(({ name }, index) => [name, index]));
  return descriptions.map((description) => {
    const { when } = description;
    const condition =
      when === undefined ? null : { parameter: places.get(when.name)!, choice: when.index };
    return { ...description, range: rangeOf(domainOf(description)), condition };
  });
}

function rangeOf(domain: Domain): Parameter['range'] {
  if (domain instanceof NumericDomain) return domain.range;
  const { elements, isOrdered } = domain as ChoiceDomain;
  return { form: 'choice', count: elements.length, isOrdered };
}

/** The domain of a kind. @throws InvalidArgumentError for arguments that it does not take */
export function domainOf({ kind, args }: Pick<ParameterDescription, 'kind' | 'args'>): Domain {
  if (kind === 'choice' || kind === 'gridSearch') {
    const [elements, options] = args as ChoiceDomain['args'];
    return new ChoiceDomain(kind, elements, options?.ordered ?? false);
  }
  return (NUMERIC_DOMAINS[kind] as (...args: readonly unknown[]) => Domain)(...args);
}

/** Puts a value at a path; what leads to it is made where it is missing. */
function place(root: object, path: readonly (string | number)[], value: unknown): void {
  let owner = root as Record<string | number, unknown>;
  for (const [at, key] of path.slice(0, -1).entries()) {
    owner[key] ??= typeof path[at + 1] === 'number' ? [] : {};
    owner = owner[key] as Record<string | number, unknown>;
  }
  owner[path.at(-1)!] = value;
}
