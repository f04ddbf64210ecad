/** Options: what is accepted, what it becomes, and what a refusal says. */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';
import { InvalidArgumentError, NotSupportedError } from '../../bindings/typescript/src/errors.ts';
import { NAME_LENGTH_MAX, QUANTITY_MAX } from '../../bindings/typescript/src/option-checks.ts';
import {
  VARIABLE_BYTES_MAX,
  checkActorOptions,
  checkMethodOptions,
  checkTaskOptions,
  mergeOptions,
  normalizeActorOptions,
  normalizeCancelOptions,
  normalizeGetActorOptions,
  normalizeGetOptions,
  normalizeGetSyncOptions,
  normalizeInitOptions,
  normalizeKillOptions,
  normalizeMethodOptions,
  normalizeTaskOptions,
  normalizeWaitOptions,
  normalizeWaitSyncOptions,
} from '../../bindings/typescript/src/options.ts';

function refusal(call: () => unknown): InvalidArgumentError {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidArgumentError);
    return error as InvalidArgumentError;
  }
  throw new Error('was accepted');
}

describe('task options', () => {
  test('defaults', () => {
    const normalized = {
      resources: { CPU: 1 },
      memory: 0,
      name: null,
      numReturns: 1,
      maxRetries: 3,
      retryExceptions: false,
      maxCalls: 0,
      env: {},
    };
    expect(normalizeTaskOptions()).toEqual(normalized);
    expect(normalizeTaskOptions({})).toEqual(normalized);
    expect(normalizeTaskOptions({ numCpus: undefined, name: undefined })).toEqual(normalized);
  });

  test('everything given', () => {
    expect(
      normalizeTaskOptions({
        numCpus: 2,
        numGpus: 0.5,
        resources: { Custom: 1, Unused: 0 },
        memory: 100.2,
        name: 'train',
        numReturns: 0,
        maxRetries: -1,
        retryExceptions: [TypeError],
        maxCalls: 10,
        env: { MODE: 'fast', EMPTY: '' },
      }),
    ).toEqual({
      resources: { CPU: 2, GPU: 0.5, Custom: 1 },
      memory: 101,
      name: 'train',
      numReturns: 0,
      maxRetries: -1,
      retryExceptions: [TypeError],
      maxCalls: 10,
      env: { MODE: 'fast', EMPTY: '' },
    });
  });

  test('numCpus 0 asks for nothing', () => {
    expect(normalizeTaskOptions({ numCpus: 0 }).resources).toEqual({});
  });

  test('a task with a GPU has its worker to itself once, unless it says otherwise', () => {
    expect(normalizeTaskOptions({ numGpus: 0.5 }).maxCalls).toBe(1);
    expect(normalizeTaskOptions({ numGpus: 0.5, maxCalls: 0 }).maxCalls).toBe(0);
    expect(normalizeTaskOptions({ numGpus: 0 }).maxCalls).toBe(0);
  });

  test('records are frozen, and later changes to the given objects are not seen', () => {
    const given = { resources: { Custom: 1 }, env: { A: 'a' }, retryExceptions: [TypeError] };
    const normalized = normalizeTaskOptions(given);
    given.resources.Custom = 2;
    given.env.A = 'b';
    given.retryExceptions.pop();
    expect(normalized.resources).toEqual({ CPU: 1, Custom: 1 });
    expect(normalized.env).toEqual({ A: 'a' });
    expect(normalized.retryExceptions).toEqual([TypeError]);
    for (const record of [normalized, normalized.resources, normalized.env]) {
      expect(Object.isFrozen(record)).toBe(true);
    }
    expect(Object.isFrozen(normalized.retryExceptions)).toBe(true);
  });

  test('quantities are rounded to 1/10,000', () => {
    const { resources } = normalizeTaskOptions({
      numCpus: 0.1 + 0.2,
      numGpus: 1 / 3,
      resources: { Fine: 0.00004, Up: 0.00005 },
    });
    expect(resources).toEqual({ CPU: 0.3, GPU: 0.3333, Up: 0.0001 });
  });

  test('a GPU quantity just above 1 that rounds to 1 is whole', () => {
    expect(normalizeTaskOptions({ numGpus: 1.00001 }).resources['GPU']).toBe(1);
    expect(normalizeTaskOptions({ numGpus: 4 }).resources['GPU']).toBe(4);
  });

  test.each([
    [{ numCpus: -1 }, 'numCpus', '-1'],
    [{ numCpus: NaN }, 'numCpus', 'NaN'],
    [{ numCpus: Infinity }, 'numCpus', 'Infinity'],
    [{ numCpus: 1e300 }, 'numCpus', '1e+300'],
    [{ numCpus: '2' }, 'numCpus', '"2"'],
    [{ numCpus: null }, 'numCpus', 'null'],
    [{ numCpus: 2n }, 'numCpus', '2n'],
    [{ numGpus: 1.5 }, 'numGpus', '1.5'],
    [{ numGpus: -0.5 }, 'numGpus', '-0.5'],
    [{ resources: { CPU: 1 } }, 'resources.CPU', '1'],
    [{ resources: { GPU: 1 } }, 'resources.GPU', '1'],
    [{ resources: { memory: 1 } }, 'resources.memory', '1'],
    [{ resources: { objectStoreMemory: 1 } }, 'resources.objectStoreMemory', '1'],
    [{ resources: { '': 1 } }, 'resources.', '1'],
    [{ resources: { Custom: -1 } }, 'resources.Custom', '-1'],
    [{ resources: { Custom: Infinity } }, 'resources.Custom', 'Infinity'],
    [{ resources: ['Custom'] }, 'resources', '["Custom"]'],
    [{ resources: new Map([['Custom', 1]]) }, 'resources', 'a Map'],
    [{ memory: -1 }, 'memory', '-1'],
    [{ memory: Infinity }, 'memory', 'Infinity'],
    [{ name: '' }, 'name', '""'],
    [{ name: 5 }, 'name', '5'],
    [{ numReturns: -1 }, 'numReturns', '-1'],
    [{ numReturns: 1.5 }, 'numReturns', '1.5'],
    [{ numReturns: 1_000_001 }, 'numReturns', '1000001'],
    [{ numReturns: 2 ** 40 }, 'numReturns', '1099511627776'],
    [{ maxRetries: -2 }, 'maxRetries', '-2'],
    [{ maxRetries: 0.5 }, 'maxRetries', '0.5'],
    [{ maxRetries: Infinity }, 'maxRetries', 'Infinity'],
    [{ maxCalls: -1 }, 'maxCalls', '-1'],
    [{ retryExceptions: 'TypeError' }, 'retryExceptions', '"TypeError"'],
    [{ retryExceptions: TypeError }, 'retryExceptions', 'function TypeError'],
    [{ retryExceptions: ['TypeError'] }, 'retryExceptions[0]', '"TypeError"'],
    [{ retryExceptions: [Error, () => true] }, 'retryExceptions[1]', 'function (anonymous)'],
    [{ env: { THREADS: 4 } }, 'env.THREADS', '4'],
    [{ env: { DEBUG: true } }, 'env.DEBUG', 'true'],
    [{ env: { DEBUG: undefined } }, 'env.DEBUG', 'undefined'],
    [{ env: { 'A=B': 'c' } }, 'env.A=B', '"c"'],
    [{ env: { A: 'b\0c' } }, 'env.A', '"b\\u0000c"'],
    [{ env: 'A=b' }, 'env', '"A=b"'],
  ])('refuses %o, naming the option and its value', (options, argument, value) => {
    const error = refusal(() => checkTaskOptions(options, 'square.options()'));
    expect(error.argument).toBe(argument);
    expect(error.value).toBe(value);
    expect(error.allowed).not.toBeNull();
    expect(error.message).toContain('square.options()');
    expect(error.message).toContain(argument);
    expect(error.message).toContain(value);
    expect(error.message).toContain(error.allowed!);
  });

  test.each([
    ['numCpu', 'numCpus'],
    ['num_cpus', 'numCpus'],
    ['NumCPUs', 'numCpus'],
    ['maxretries', 'maxRetries'],
    ['resource', 'resources'],
    ['retryException', 'retryExceptions'],
  ])('an unknown option %s is refused with the one that was meant', (name, meant) => {
    const error = refusal(() => checkTaskOptions({ [name]: 2 }, 'remote()'));
    expect(error.message).toContain(`there is no option ${name} (2)`);
    expect(error.message).toContain(`Did you mean ${meant}?`);
    expect(error.argument).toBe(name);
    expect(error.allowed).toContain('numGpus, resources');
  });

  test('an unknown option that is like no other lists what is allowed', () => {
    const error = refusal(() => checkTaskOptions({ colour: 'red' }, 'remote()'));
    expect(error.message).not.toContain('Did you mean');
    expect(error.message).toContain('Allowed: numCpus, numGpus');
  });

  test('unknown options are refused also when they are undefined, inherited or built-in names', () => {
    refusal(() => checkTaskOptions({ colour: undefined }, 'remote()'));
    refusal(() => checkTaskOptions(Object.create({ colour: 'red' }), 'remote()'));
    refusal(() => checkTaskOptions({ constructor: 1 }, 'remote()'));
    refusal(() => checkTaskOptions(JSON.parse('{"__proto__": 1}'), 'remote()'));
  });

  test.each([null, 5, 'numCpus', [], () => {}, new Map()])('%o is no options object', (options) => {
    expect(refusal(() => checkTaskOptions(options, 'remote()')).argument).toBe('options');
  });

  test('inherited options count', () => {
    expect(normalizeTaskOptions(Object.create({ numCpus: 2 })).resources).toEqual({ CPU: 2 });
  });

  test('what a program adds to all objects is no option', () => {
    const all = Object.prototype as unknown as Record<string, unknown>;
    all['added'] = 1;
    try {
      expect(normalizeTaskOptions({ numCpus: 2 }).resources).toEqual({ CPU: 2 });
      refusal(() => checkTaskOptions({ added: 1 }, 'remote()'));
    } finally {
      delete all['added'];
    }
  });

  test('an empty list of error classes retries nothing', () => {
    expect(normalizeTaskOptions({ retryExceptions: [] }).retryExceptions).toBe(false);
    expect(normalizeTaskOptions({ retryExceptions: true }).retryExceptions).toBe(true);
  });
});

describe('.options()', () => {
  test('replaces what is given and keeps the rest', () => {
    const base = checkTaskOptions(
      { numCpus: 2, resources: { A: 1, B: 1 }, env: { A: 'a' }, name: 'base' },
      'remote()',
    );
    const over = checkTaskOptions({ resources: { A: 2 }, name: undefined }, 'options()');
    const merged = mergeOptions(base, over);
    expect(merged).toEqual({ numCpus: 2, resources: { A: 2 }, env: { A: 'a' }, name: 'base' });
    expect(base.resources).toEqual({ A: 1, B: 1 });
    expect(normalizeTaskOptions(merged).resources).toEqual({ CPU: 2, A: 2 });
  });

  test('defaults that depend on an option are those of the merged options', () => {
    const base = checkTaskOptions({ numGpus: 1 }, 'remote()');
    expect(normalizeTaskOptions(base).maxCalls).toBe(1);
    const over = checkTaskOptions({ numGpus: 0 }, 'options()');
    expect(normalizeTaskOptions(mergeOptions(base, over)).maxCalls).toBe(0);
  });

  test('what was checked can be checked again', () => {
    const given = {
      numCpus: 1 / 3,
      numGpus: 2,
      memory: 0.5,
      retryExceptions: [],
      maxRetries: -1,
      resources: { A: 0.5 },
    };
    const once = checkTaskOptions(given, 'remote()');
    expect(checkTaskOptions(once, 'remote()')).toEqual(once);
  });
});

describe('actor options', () => {
  test('defaults: one CPU to be placed, none held', () => {
    expect(normalizeActorOptions()).toEqual({
      placement: { CPU: 1 },
      held: {},
      memory: 0,
      name: null,
      namespace: null,
      detached: false,
      getIfExists: false,
      maxRestarts: 0,
      maxTaskRetries: 0,
      maxConcurrency: null,
      maxPendingCalls: -1,
      env: {},
    });
  });

  test('numCpus that are given are placed and held', () => {
    const two = normalizeActorOptions({ numCpus: 2, numGpus: 0.5 });
    expect(two.placement).toEqual({ CPU: 2, GPU: 0.5 });
    expect(two.held).toEqual({ CPU: 2, GPU: 0.5 });
    const none = normalizeActorOptions({ numCpus: 0 });
    expect(none.placement).toEqual({});
    expect(none.held).toEqual({});
  });

  test('GPUs and custom resources are held with or without numCpus', () => {
    const actor = normalizeActorOptions({ numGpus: 1, resources: { Custom: 2 }, memory: 5 });
    expect(actor.placement).toEqual({ CPU: 1, GPU: 1, Custom: 2 });
    expect(actor.held).toEqual({ GPU: 1, Custom: 2 });
    expect(actor.memory).toBe(5);
  });

  test('everything given', () => {
    expect(
      normalizeActorOptions({
        name: 'counter',
        namespace: 'tests',
        lifetime: 'detached',
        getIfExists: true,
        maxRestarts: -1,
        maxTaskRetries: 2,
        maxConcurrency: 4,
        maxPendingCalls: 10,
        env: { A: 'b' },
      }),
    ).toMatchObject({
      name: 'counter',
      namespace: 'tests',
      detached: true,
      getIfExists: true,
      maxRestarts: -1,
      maxTaskRetries: 2,
      maxConcurrency: 4,
      maxPendingCalls: 10,
      env: { A: 'b' },
    });
  });

  test.each([
    [{ lifetime: 'detached' }, 'lifetime'],
    [{ getIfExists: true }, 'getIfExists'],
  ])('%o needs a name, which .options() may still give', (options, argument) => {
    const error = refusal(() => normalizeActorOptions(options, 'RemoteCounter.remote()'));
    expect(error.argument).toBe(argument);
    expect(error.message).toMatch(/RemoteCounter\.remote\(\).*has no name/);
    const checked = checkActorOptions(options, 'remote()');
    const named = mergeOptions(checked, checkActorOptions({ name: 'a' }, 'options()'));
    expect(normalizeActorOptions(named).name).toBe('a');
  });

  test.each([
    [{ lifetime: 'forever' }, 'lifetime', "'detached', or nothing"],
    [{ lifetime: null }, 'lifetime', "'detached', or nothing"],
    [{ getIfExists: 1 }, 'getIfExists', 'true or false'],
    [{ namespace: '' }, 'namespace', 'a string that is not empty'],
    [{ maxRestarts: -2 }, 'maxRestarts', '-1 for no limit'],
    [{ maxTaskRetries: 1.5 }, 'maxTaskRetries', '-1 for no limit'],
    [{ maxConcurrency: 0 }, 'maxConcurrency', 'from 1'],
    [{ maxConcurrency: Infinity }, 'maxConcurrency', 'from 1'],
    [{ maxPendingCalls: 0 }, 'maxPendingCalls', 'from 1'],
  ])('refuses %o', (options, argument, allowed) => {
    const error = refusal(() => checkActorOptions(options, 'remote()'));
    expect(error.argument).toBe(argument);
    expect(error.message).toContain(allowed);
  });

  test('options of tasks are unknown to actors, and the other way round', () => {
    expect(refusal(() => checkActorOptions({ numReturns: 2 }, 'remote()')).argument).toBe(
      'numReturns',
    );
    expect(refusal(() => checkTaskOptions({ lifetime: 'detached' }, 'remote()')).argument).toBe(
      'lifetime',
    );
  });
});

describe('method options', () => {
  test('defaults and values', () => {
    expect(normalizeMethodOptions()).toEqual({
      numReturns: 1,
      maxTaskRetries: null,
      retryExceptions: false,
    });
    const given = { numReturns: 2, maxTaskRetries: -1, retryExceptions: [RangeError] };
    expect(normalizeMethodOptions(given)).toEqual(given);
  });

  test('refuses options of actors and wrong values', () => {
    refusal(() => checkMethodOptions({ numCpus: 1 }, 'counter.add.options()'));
    refusal(() => checkMethodOptions({ numReturns: '2' }, 'counter.add.options()'));
  });
});

describe('init options', () => {
  test('defaults leave what has to be found out open', () => {
    expect(normalizeInitOptions()).toEqual({
      numCpus: null,
      numGpus: null,
      resources: {},
      objectStoreMemory: null,
      namespace: null,
      logToDriver: true,
      workerExecArgv: null,
      env: {},
      spillDirectory: null,
      ignoreReinitError: false,
      workerStartTimeoutMs: 60_000,
    });
  });

  test("the tutorial's example", () => {
    expect(
      normalizeInitOptions({ numCpus: 8, numGpus: 4, resources: { Custom: 2 } }),
    ).toMatchObject({ numCpus: 8, numGpus: 4, resources: { Custom: 2 } });
  });

  test.each([
    [{ numCpus: 1.5 }, 'numCpus'],
    [{ numGpus: -1 }, 'numGpus'],
    [{ resources: { CPU: 1 } }, 'resources.CPU'],
    [{ objectStoreMemory: 1000 }, 'objectStoreMemory'],
    [{ logToDriver: 'yes' }, 'logToDriver'],
    [{ workerExecArgv: '--import tsx' }, 'workerExecArgv'],
    [{ workerExecArgv: ['--import', 5] }, 'workerExecArgv[1]'],
    [{ spillDirectory: 5 }, 'spillDirectory'],
    [{ address: 5 }, 'address'],
    [{ cpus: 5 }, 'cpus'],
  ])('refuses %o', (options, argument) => {
    expect(refusal(() => normalizeInitOptions(options)).argument).toBe(argument);
  });

  test('an address is not supported yet, and the error names the version', () => {
    expect(() => normalizeInitOptions({ address: 'auto' })).toThrow(NotSupportedError);
    expect(() => normalizeInitOptions({ address: 'auto' })).toThrow(
      /"auto".*eagleray \d+\.\d+\.\d+/,
    );
  });

  test('a wrong form is reported before a missing feature', () => {
    expect(refusal(() => normalizeInitOptions({ address: 'auto', numCpus: -1 })).argument).toBe(
      'numCpus',
    );
  });
});

describe('what is absurdly long is refused, and not repeated in the message', () => {
  const longName = 'n'.repeat(NAME_LENGTH_MAX + 1);
  const longValue = 'v'.repeat(VARIABLE_BYTES_MAX);
  const many = Array.from({ length: 10 }, (_, index) => [`V${index}`, longValue.slice(9)]);

  test.each([
    ['name', () => checkTaskOptions({ name: longName }, 'remote()')],
    ['name', () => checkActorOptions({ name: longName }, 'remote()')],
    ['namespace', () => checkActorOptions({ namespace: longName }, 'remote()')],
    ['namespace', () => normalizeInitOptions({ namespace: longName })],
    ['namespace', () => normalizeGetActorOptions({ namespace: longName })],
    ['a name in resources', () => normalizeInitOptions({ resources: { [longName]: 1 } })],
    ['a name in env', () => checkTaskOptions({ env: { [longName]: '' } }, 'remote()')],
    ['env.X', () => checkTaskOptions({ env: { X: longValue } }, 'remote()')],
    ['env', () => normalizeInitOptions({ env: Object.fromEntries(many) })],
  ])('%s', (argument, call) => {
    const error = refusal(call);
    expect(error.argument).toBe(argument);
    expect(error.message).toMatch(/at most \d+ (characters|bytes)/);
    expect(error.message.length).toBeLessThan(300);
  });

  test('what is as long as allowed is accepted', () => {
    const name = 'n'.repeat(NAME_LENGTH_MAX);
    const env = { X: 'v'.repeat(VARIABLE_BYTES_MAX - 2) };
    expect(normalizeTaskOptions({ name, env })).toMatchObject({ name, env });
  });
});

describe('get, wait, cancel, kill and getActor options', () => {
  test('defaults', () => {
    const nothing = { timeoutMs: null, signal: null, keepCpus: false };
    expect(normalizeGetOptions()).toEqual(nothing);
    expect(normalizeGetSyncOptions()).toEqual(nothing);
    expect(normalizeCancelOptions()).toEqual({ force: false, recursive: true });
    expect(normalizeKillOptions()).toEqual({ noRestart: true });
    expect(normalizeGetActorOptions()).toEqual({ namespace: null });
    expect(normalizeWaitOptions(undefined, 3)).toEqual({
      numReturns: 1,
      timeoutMs: null,
      signal: null,
      keepCpus: false,
      fetchLocal: true,
    });
  });

  test('values', () => {
    const { signal } = new AbortController();
    expect(normalizeGetOptions({ timeoutMs: 0, signal, keepCpus: true })).toEqual({
      timeoutMs: 0,
      signal,
      keepCpus: true,
    });
    expect(normalizeGetOptions({ timeoutMs: Infinity }).timeoutMs).toBeNull();
    expect(normalizeCancelOptions({ force: true, recursive: false })).toEqual({
      force: true,
      recursive: false,
    });
    expect(normalizeKillOptions({ noRestart: false })).toEqual({ noRestart: false });
    expect(normalizeGetActorOptions({ namespace: 'a' })).toEqual({ namespace: 'a' });
    expect(normalizeWaitSyncOptions({ numReturns: 3, fetchLocal: false }, 3)).toEqual({
      numReturns: 3,
      timeoutMs: null,
      signal: null,
      keepCpus: false,
      fetchLocal: false,
    });
  });

  test('waiting for nothing needs nothing to be ready', () => {
    expect(normalizeWaitOptions(undefined, 0).numReturns).toBe(0);
    refusal(() => normalizeWaitOptions({ numReturns: 1 }, 0));
  });

  test.each([
    ['timeoutMs', () => normalizeGetOptions({ timeoutMs: -1 })],
    ['timeoutMs', () => normalizeGetOptions({ timeoutMs: NaN })],
    ['timeoutMs', () => normalizeGetSyncOptions({ timeoutMs: '5' })],
    ['signal', () => normalizeGetOptions({ signal: {} })],
    ['signal', () => normalizeGetSyncOptions({ signal: new AbortController().signal })],
    ['keepCpus', () => normalizeGetOptions({ keepCpus: 1 })],
    ['keepCpus', () => normalizeGetSyncOptions({ keepCpus: null })],
    ['keepCpus', () => normalizeWaitOptions({ keepCpus: true }, 3)],
    ['timeout', () => normalizeGetOptions({ timeout: 5 })],
    ['numReturns', () => normalizeWaitOptions({ numReturns: 0 }, 3)],
    ['numReturns', () => normalizeWaitOptions({ numReturns: 4 }, 3)],
    ['numReturns', () => normalizeWaitSyncOptions({ numReturns: 1.5 }, 3)],
    ['fetchLocal', () => normalizeWaitOptions({ fetchLocal: 1 }, 3)],
    ['force', () => normalizeCancelOptions({ force: 'yes' })],
    ['noRestart', () => normalizeKillOptions({ noRestart: 0 })],
    ['namespace', () => normalizeGetActorOptions({ namespace: 5 })],
  ])('refuses a wrong %s', (argument, call) => {
    expect(refusal(call).argument).toBe(argument);
  });

  test('timeout is refused with timeoutMs', () => {
    expect(refusal(() => normalizeGetOptions({ timeout: 5 })).message).toContain(
      'Did you mean timeoutMs?',
    );
  });
});

test('the largest quantity is the largest one that the core counts', () => {
  const dist = join(import.meta.dirname, '../../dist');
  const binary = readdirSync(dist).find((name) => name.endsWith('.node'))!;
  const native = createRequire(import.meta.url)(join(dist, binary)) as { quantityMax(): number };
  expect(QUANTITY_MAX).toBe(native.quantityMax());
  const resources = { Custom: QUANTITY_MAX };
  const most = { numCpus: QUANTITY_MAX, memory: QUANTITY_MAX, resources };
  expect(normalizeTaskOptions(most)).toMatchObject({
    memory: QUANTITY_MAX,
    resources: { CPU: QUANTITY_MAX, Custom: QUANTITY_MAX },
  });
  const above = QUANTITY_MAX * (1 + 2 ** -50);
  for (const options of [
    { numCpus: above },
    { memory: above },
    { resources: { Custom: above } },
    { memory: Number.MAX_SAFE_INTEGER },
  ]) {
    expect(() => normalizeTaskOptions(options)).toThrow(/to 100,000,000,000,000/);
  }
  expect(() => normalizeInitOptions({ objectStoreMemory: above })).toThrow(/ to 100,000,000,0/);
});
