/**
 * Variables of which nobody can say whether functions of a shipment share them: V8 shows scopes as copies, and the probe
 * knows nothing here. As long as none of the functions assigns to such a variable, that makes no difference.
 */

import type { ValuePath } from '../codec/hooks.ts';
import { cannotTravel } from './failure.ts';
import type { Scope } from './inspection.ts';

/** A variable as one function finds it. */
export interface UnknownVariable {
  readonly name: string;
  /** The number of its scope among those around the function, from the inside. */
  readonly scope: number | undefined;
  readonly scopes: readonly Scope[];
  readonly scriptId: string;
  /** The function itself assigns to it. */
  readonly isAssigned: boolean;
  readonly path: ValuePath;
  /** How errors name the function. */
  readonly title: string;
}

export class UnknownScopes {
  private readonly byPlace = new Map<string, UnknownVariable[]>();

  /**
   * Notes a variable that a function uses.
   *
   * @throws SerializationError if another function may have the same one, and one of the two assigns to it.
   */
  note(variable: UnknownVariable): void {
    const { name, path, scope = 0, scopes, scriptId, title } = variable;
    const place = `${scriptId} ${scopes.length - scope} ${scopes[scope]!.description} ${name}`;
    const others = this.byPlace.get(place) ?? [];
    for (const other of others) {
      const matters = variable.isAssigned || other.isAssigned;
      if (!matters || !mayBeSame(variable, other)) continue;
      const reason =
        `it may share the variable "${name}" with ${other.title}, and one of them assigns to it, but V8 does not say here ` +
        'whether they do; keep the state in an object, in an instance of a class, or in a module that both import';
      throw cannotTravel(path, title, reason, [`variable "${name}"`]);
    }
    this.byPlace.set(place, [...others, variable]);
  }
}

/** False if the two see different values somewhere. */
function mayBeSame(one: UnknownVariable, other: UnknownVariable): boolean {
  const [mine, others] = [one, other].map(({ scope = 0, scopes }) => scopes.slice(scope));
  return mine!.every(({ variables }, index) => isAlike(variables, others![index]!.variables));
}

type Variables = Scope['variables'];

function isAlike(one: Variables, other: Variables): boolean {
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) => Object.is(valueOf(one, name), valueOf(other, name)));
}

const UNINITIALISED = Symbol('uninitialised');

function valueOf(variables: Variables, name: string): unknown {
  try {
    return variables[name];
  } catch {
    return UNINITIALISED;
  }
}
