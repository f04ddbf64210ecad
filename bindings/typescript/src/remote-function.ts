/** Remote functions: `remote(fn)`. */

import { types } from 'node:util';

import { InvalidArgumentError, NotSupportedError } from './errors.ts';
import {
  type NormalizedTaskOptions,
  checkTaskOptions,
  mergeOptions,
  normalizeTaskOptions,
} from './options.ts';
import { makeRemote, noteRemote, registerMaker } from './runtime/remote-values.ts';
import { type Captured, exportCaptured } from './runtime/captured.ts';
import { currentSession } from './runtime/current.ts';
import type { DeclaredFunction, Runtime } from './runtime/runtime.ts';
import type { TaskOptions } from './types.ts';

/** What workers are told of a function besides, once. */
export interface ExportedFunction {
  readonly kind: 'function';
  readonly name: string;
  readonly retryExceptions: boolean | readonly Function[];
  readonly maxCalls: number;
  readonly resources: Readonly<Record<string, number>>;
}

/** What one runtime knows of a remote function with certain options. */
interface Template {
  readonly session: Runtime;
  readonly declared: DeclaredFunction;
}

interface State {
  target: Function;
  /** The function as it was captured, for this remote function and those with other options. */
  captured: Captured;
  given: TaskOptions<number>;
  normalized: NormalizedTaskOptions | undefined;
  name: string;
  template: Template | undefined;
}

function makeRemoteFunction(): { value: Function; state: State } {
  const state: State = {
    target: Function.prototype as Function,
    captured: { latest: undefined },
    given: {},
    normalized: undefined,
    name: 'anonymous',
    template: undefined,
  };
  const value = makeRemote(
    () =>
      new InvalidArgumentError(
        `the remote function ${state.name} can't be called directly; use ${state.name}.remote(…)`,
        { argument: state.name, value: 'a direct call', allowed: '.remote(…)' },
      ),
    (...values) => submit(state, values),
    (options) => withOptions(state, options),
  );
  return { value, state };
}

function fill(value: Function, state: State, target: Function, given: TaskOptions<number>): void {
  state.target = target;
  state.given = given;
  state.name = given.name ?? (target.name || 'anonymous');
  Object.defineProperty(value, 'name', { value: target.name });
  noteRemote(value, {
    kind: 'function',
    title: target.name || 'anonymous',
    target,
    options: given,
  });
}

registerMaker('function', () => {
  const { state, value } = makeRemoteFunction();
  return {
    value,
    fill: (target, options) =>
      fill(value, state, target as Function, options as TaskOptions<number>),
  };
});

/** Makes a function remote. */
export function remoteFunction(target: Function, options: unknown): Function {
  refuseGenerators(target);
  const given = checkTaskOptions(options, 'remote()');
  const { state, value } = makeRemoteFunction();
  fill(value, state, target, given);
  state.normalized = normalizeTaskOptions(given);
  return value;
}

function withOptions(state: State, options: unknown): Function {
  const given = mergeOptions(state.given, checkTaskOptions(options, 'options()'));
  const made = makeRemoteFunction();
  fill(made.value, made.state, state.target, given);
  made.state.captured = state.captured;
  made.state.normalized = normalizeTaskOptions(given, 'options()');
  return made.value;
}

/** Streaming results do not exist yet. */
export function refuseGenerators(target: Function): void {
  if (types.isGeneratorFunction(target)) {
    throw new NotSupportedError(
      `${target.name || 'the function'} is a generator function; results can't be streamed yet. Return an array, or ` +
        'call an actor for each part',
      { feature: 'streaming results' },
    );
  }
}

function submit(state: State, values: unknown[]): unknown {
  const session = currentSession();
  let { template } = state;
  if (template === undefined || template.session !== session) {
    template = declare(state, session);
    state.template = template;
  }
  const { numReturns } = state.normalized!;
  return session.submit(template.declared, numReturns, values, state.name);
}

function declare(state: State, session: Runtime): Template {
  const options = (state.normalized ??= normalizeTaskOptions(state.given));
  const resources = withMemory(options.resources, options.memory);
  session.requireFeasible(resources, state.name);
  const name = options.name ?? (state.target.name || 'anonymous');
  const exported: ExportedFunction = {
    kind: 'function',
    name,
    retryExceptions: options.retryExceptions as boolean | readonly Function[],
    maxCalls: options.maxCalls,
    resources,
  };
  const made = exportCaptured(state.target, state.captured, exported, session, name);
  const declared = session.declareFunction({
    exported: made,
    name,
    resources: quantities(resources),
    environment: session.environment(options.env),
    pipelined: options.maxCalls === 0,
    maxRetries: options.maxRetries,
  });
  return { session, declared };
}

/** Adds `memory` as the resource that it is. */
export function withMemory(
  resources: Readonly<Record<string, number>>,
  memory: number,
): Readonly<Record<string, number>> {
  return memory > 0 ? { ...resources, memory } : resources;
}

/** Resources as the native module takes them. */
export function quantities(
  resources: Readonly<Record<string, number>>,
): { name: string; quantity: number }[] {
  return Object.entries(resources).map(([name, quantity]) => ({ name, quantity }));
}
