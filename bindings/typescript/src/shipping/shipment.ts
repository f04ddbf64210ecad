/**
 * The functions that travel together: those of one value, or of all arguments of one call. What they share, they share
 * afterwards, and each holds what it holds now.
 *
 * A function is described once for each shipment. One that is constant, holding nothing that could ever change, travels
 * under its identity, and a process that has it need not make it again. All others have keys of the shipment.
 */

import { type FunctionByValue, type FunctionDescription, ValuePath } from '../codec/hooks.ts';
import { SerializationError } from '../errors.ts';
import { isPackaged } from './address.ts';
import { isOfModule } from './bindings.ts';
import { describeBound } from './bound-functions.ts';
import { type Plan, type Reading, type SharedVariable, planCapture } from './capture.ts';
import { type Bound, type ByValue, type Way, wayOf } from './describe.ts';
import { copyKey, identityOf, rememberClass } from './identity.ts';
import { noteImports } from './imported-functions.ts';
import { type Inspection, type Scope, inspect } from './inspection.ts';
import type { Located } from './location.ts';
import type { FunctionAnalysis } from './parser.ts';
import { modulesBefore } from './package-entries.ts';
import { type Arrival, arrivalOf } from './rebuild.ts';
import { ScopeTable } from './scope-table.ts';
import { newBox, newCell, sharedDescription, sharedKey } from './shared-objects.ts';
import { standInDescription } from './stand-ins.ts';
import { UnknownScopes } from './unknown-scopes.ts';

/** What has to be known of a shipment. */
export interface ShipmentOptions {
  /** It is several values, each of which the codec writes by itself. */
  readonly isSeveral?: boolean;
  /** How functions travel that only the runtime knows: remote functions and the like. */
  readonly describeOther?: (fn: Function, path: ValuePath) => FunctionDescription | undefined;
  /** True for those functions. */
  readonly isOther?: (fn: Function) => boolean;
}

const plans = new WeakMap<Function, Plan>();
/** Of constant functions: they are described alike in every shipment. */
const descriptions = new WeakMap<Plan, FunctionByValue>();

const NOWHERE = ValuePath.of();

export class Shipment {
  private readonly isSeveral: boolean;
  private readonly describeOther: NonNullable<ShipmentOptions['describeOther']>;
  private readonly isOther: (fn: Function) => boolean;
  private readonly described = new Map<Function, FunctionDescription>();
  private readonly inspections = new Map<Function, Inspection>();
  private readonly current = new Map<Function, Plan>();
  private readonly constants = new Map<Function, boolean>();
  private readonly keys = new Map<Function, string>();
  private readonly boxes = new Map<object, Function>();
  private readonly scopes = new ScopeTable();
  private readonly unknown = new UnknownScopes();
  /** What stands for variables of scopes that have a name. */
  private readonly cells = new Map<string, Map<string, Function>>();
  private copies = 0;

  constructor({
    isSeveral = false,
    describeOther = () => undefined,
    isOther = () => false,
  }: ShipmentOptions = {}) {
    this.isSeveral = isSeveral;
    this.describeOther = describeOther;
    this.isOther = isOther;
  }

  /**
   * Describes a function or class for the codec (`EncodeHooks.describeFunction`).
   *
   * @throws SerializationError if it can't travel; the path in its message leads to the culprit.
   */
  describe(fn: Function, path: ValuePath): FunctionDescription {
    let description = this.described.get(fn);
    if (description === undefined) {
      description = withPackage(this.describeLeaf(fn, path) ?? this.describeOwn(fn, path));
      this.described.set(fn, description);
    }
    return description;
  }

  /** What is no function of the program, or is described elsewhere. */
  private describeLeaf(fn: Function, path: ValuePath): FunctionDescription | undefined {
    return (
      standInDescription(fn) ??
      sharedDescription(fn, (standIn) => this.keyOf(standIn)) ??
      this.describeOther(fn, path)
    );
  }

  private keyOf(standIn: Function): string {
    let key = this.keys.get(standIn);
    if (key === undefined) {
      key = sharedKey(this.keys.size);
      this.keys.set(standIn, key);
    }
    return key;
  }

  private describeOwn(fn: Function, path: ValuePath): FunctionDescription {
    const arrived = arrivalOf(fn);
    if (arrived !== undefined) return this.describeArrived(fn, arrived, path);
    const way = this.wayOf(fn, path);
    if (way.kind === 'reference') return way;
    if (way.kind === 'bound') return this.describeBound(fn, way, path);
    const plan = this.planOf(fn, way, path);
    if (!this.isConstant(fn)) {
      const asClass = isClass(way.analysis, plan) || path.endsAtInstance;
      const key = copyKey(identityOf(fn), asClass, this.copies++);
      return this.describeByPlan(fn, way, plan, key, path);
    }
    let description = descriptions.get(plan);
    if (description === undefined) {
      description = this.describeByPlan(fn, way, plan, identityOf(fn), path);
      descriptions.set(plan, description);
      if (way.analysis.form === 'class') rememberClass(description.definition, fn);
    }
    return description;
  }

  private describeByPlan(
    fn: Function,
    { hasPrivateMembers, located, title }: ByValue,
    { definition, modules, values }: Plan,
    key: string,
    path: ValuePath,
  ): FunctionByValue {
    const reading = this.readingOf(fn, located, path, title);
    return {
      kind: 'value',
      key,
      definition,
      modules: withEntries(modules),
      values: values.map((each) => {
        const value = 'read' in each ? each.read(reading) : each.fixed;
        return { label: each.label, value: this.boxed(value, each.label) };
      }),
      title,
      hasPrivateMembers,
      isOfPackage: isPackaged(located.url),
    };
  }

  /** A function that arrived here travels on as it came, with what its variables hold now. */
  private describeArrived(fn: Function, arrival: Arrival, path: ValuePath): FunctionByValue {
    const { definitionText, hasPrivateMembers, isConstant, isOfPackage, modules, title } = arrival;
    const asClass = arrival.isClass || path.endsAtInstance;
    const identity = identityOf(fn);
    return {
      kind: 'value',
      key: isConstant ? identity : copyKey(identity, asClass, this.copies++),
      definition: definitionText,
      modules: withEntries(modules),
      values: arrival
        .values()
        .map(({ label, value }) => ({ label, value: this.boxed(value, label) })),
      title,
      hasPrivateMembers,
      isOfPackage,
    };
  }

  private describeBound(fn: Function, { parts }: Bound, path: ValuePath): FunctionByValue {
    const key = copyKey(identityOf(fn), false, this.copies++);
    const description = describeBound(fn, parts, key, path);
    return {
      ...description,
      values: description.values.map(({ label, value }) => ({
        label,
        value: this.boxed(value, label),
      })),
    };
  }

  /** An object that functions in several values may hold has to be one for them. */
  private boxed(value: unknown, label: string): unknown {
    if (!this.isSeveral || typeof value !== 'object' || value === null) return value;
    let box = this.boxes.get(value);
    if (box === undefined) {
      box = newBox(label, value);
      this.boxes.set(value, box);
    }
    return box;
  }

  private wayOf(fn: Function, path: ValuePath): Way {
    return wayOf(fn, path, () => this.lookAt(fn));
  }

  private planOf(fn: Function, way: ByValue, path: ValuePath): Plan {
    let plan = this.current.get(fn);
    if (plan !== undefined) return plan;
    plan = plans.get(fn);
    if (plan?.isStill() !== true) {
      const scopes = (): readonly Scope[] => {
        const found = this.scopesOf(fn);
        noteImports(way.located, found);
        return found;
      };
      plan = planCapture({
        ...way,
        fn,
        path,
        // Asked for by functions that use something around them: the inspector's first answer is dear.
        get scopes() {
          return scopes();
        },
      });
      plans.set(fn, plan);
    }
    this.current.set(fn, plan);
    return plan;
  }

  /** An inspection that is made when it is needed, because the scopes alone may be known of another function. */
  private lookAt(fn: Function): Inspection {
    const inspection = (): Inspection => this.inspectionOf(fn);
    const scopes = (): readonly Scope[] => this.scopesOf(fn);
    return {
      get scriptId() {
        return inspection().scriptId;
      },
      get line() {
        return inspection().line;
      },
      get column() {
        return inspection().column;
      },
      get privateMembers() {
        return inspection().privateMembers;
      },
      get scopes() {
        return scopes();
      },
    };
  }

  private inspectionOf(fn: Function): Inspection {
    let inspection = this.inspections.get(fn);
    if (inspection === undefined) {
      inspection = inspect(fn);
      this.inspections.set(fn, inspection);
      this.scopes.noteScopes(fn, inspection.scopes);
    }
    return inspection;
  }

  /** The scopes around a function; read once for all functions that have the same ones. */
  private scopesOf(fn: Function): readonly Scope[] {
    return this.scopes.scopesOf(fn) ?? this.inspectionOf(fn).scopes;
  }

  private readingOf(fn: Function, located: Located, path: ValuePath, title: string): Reading {
    const scopes = (): readonly Scope[] => this.scopesOf(fn);
    const privateMembers = (): Reading['privateMembers'] => this.inspectionOf(fn).privateMembers;
    return {
      path,
      get scopes() {
        return scopes();
      },
      get privateMembers() {
        return privateMembers();
      },
      shared: (variable) => this.cellOf(fn, variable, located, path, title),
    };
  }

  /** What stands for a variable that something assigns to: one for all functions of the shipment that use it. */
  private cellOf(
    fn: Function,
    variable: SharedVariable,
    located: Located,
    path: ValuePath,
    title: string,
  ): Function {
    const { label, name, value } = variable;
    const cells = this.cellsOf(fn, variable, located);
    if (cells === undefined) {
      // Alone, it has its own; together with others it may be one too many.
      this.unknown.note({
        ...variable,
        scopes: this.scopesOf(fn),
        scriptId: located.script.id,
        path,
        title,
      });
      return newCell(label, value);
    }
    let cell = cells.get(name);
    if (cell === undefined) {
      cell = newCell(label, value);
      cells.set(name, cell);
    }
    return cell;
  }

  /** The cells of the scope of a variable; undefined if nobody can say which other functions have that scope. */
  private cellsOf(
    fn: Function,
    { name, scope: index }: SharedVariable,
    located: Located,
  ): Map<string, Function> | undefined {
    if (index === undefined) return this.cellsBy('global');
    const scopes = this.scopesOf(fn);
    const scope = scopes[index]!;
    if (scope.description.startsWith('Script')) return this.cellsBy('script');
    const known = this.scopes.scopeOf(fn, index, scopes);
    if (known !== undefined) return known.cells;
    return isOfModule(name, scope, located, scopes)
      ? this.cellsBy(`module ${located.script.id}`)
      : undefined;
  }

  private cellsBy(scope: string): Map<string, Function> {
    let cells = this.cells.get(scope);
    if (cells === undefined) {
      cells = new Map();
      this.cells.set(scope, cells);
    }
    return cells;
  }

  /** True if nothing that a function holds, or that those hold which it uses, can ever change. */
  private isConstant(fn: Function): boolean {
    const known = this.constants.get(fn);
    if (known !== undefined) return known;
    const users = new Map<Function, Function[]>([[fn, []]]);
    const changing = new Set<Function>();
    const open = [fn];
    for (let each = open.pop(); each !== undefined; each = open.pop()) {
      const used = this.usedFunctions(each);
      if (used === undefined) changing.add(each);
      for (const further of used ?? []) {
        const its = users.get(further);
        if (its === undefined) {
          users.set(further, [each]);
          open.push(further);
        } else its.push(each);
      }
    }
    // A set goes on with what is added to it meanwhile.
    for (const each of changing) for (const user of users.get(each)!) changing.add(user);
    for (const each of users.keys()) this.constants.set(each, !changing.has(each));
    return !changing.has(fn);
  }

  /** The functions that a function holds, if it holds nothing else but constants; undefined if it does. */
  private usedFunctions(fn: Function): readonly Function[] | undefined {
    const known = this.constants.get(fn);
    if (known !== undefined) return known ? [] : undefined;
    if (standInDescription(fn) !== undefined || this.isOther(fn)) return [];
    const arrived = arrivalOf(fn);
    if (arrived !== undefined) return arrived.isConstant ? [] : undefined;
    const plan = this.planIfAny(fn);
    if (plan === 'reference') return [];
    if (plan === undefined) return undefined;
    const used: Function[] = [];
    for (const each of plan.values) {
      if ('read' in each) return undefined;
      const { fixed } = each;
      if (typeof fixed === 'function') used.push(fixed as Function);
      else if (typeof fixed === 'object' && fixed !== null) return undefined;
    }
    return used;
  }

  /**
   * The plan of a function; undefined if it has none because `bind` made it, or if it can't travel, which is said where
   * the codec meets it.
   */
  private planIfAny(fn: Function): Plan | 'reference' | undefined {
    try {
      const way = this.wayOf(fn, NOWHERE);
      if (way.kind === 'bound') return undefined;
      return way.kind === 'reference' ? 'reference' : this.planOf(fn, way, NOWHERE);
    } catch (error) {
      if (error instanceof SerializationError) return undefined;
      throw error;
    }
  }
}

/** With the modules that set up their packages, which come first. */
function withEntries(modules: readonly string[]): readonly string[] {
  return modules.flatMap((each) => [...modulesBefore(each), each]);
}

/** With the modules that set up the package of a function by reference. */
function withPackage(description: FunctionDescription): FunctionDescription {
  if (description.kind === 'value') return description;
  const modules = modulesBefore(description.moduleUrl);
  return modules.length === 0 ? description : { ...description, modules };
}

/** True for what instances may be made of, so that it is the original at home. */
function isClass({ form }: FunctionAnalysis, { hasPrototype }: Plan): boolean {
  return form === 'class' || hasPrototype;
}
