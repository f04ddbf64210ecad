/** `perProcess`: what belongs to one process. */

import { types } from 'node:util';

import { isClass } from './describe-value.ts';
import { InvalidArgumentError, describeValue } from './errors.ts';
import { normalizePerProcessOptions } from './options.ts';
import { newPerProcess } from './runtime/per-process-travel.ts';
import { remoteParts } from './runtime/remote-values.ts';

/** See `perProcess` in `index.ts`. */
export function perProcess(make: unknown, options?: unknown): Function {
  if (typeof make !== 'function') throw unfit(describeValue(make), make);
  if (isClass(make)) {
    const got = make.name === '' ? 'a class without a name' : `the class ${make.name}`;
    const name = make.name || 'TheClass';
    throw unfit(`${got}; write perProcess(() => new ${name}(…))`, make);
  }
  if (remoteParts(make) !== undefined) {
    throw unfit('what is remote; make gives the value, and can call .remote() itself', make);
  }
  if (types.isGeneratorFunction(make)) throw unfit('a generator function', make);
  const { dispose } = normalizePerProcessOptions(options);
  return newPerProcess(make as () => unknown, dispose);
}

function unfit(got: string, value: unknown): InvalidArgumentError {
  return new InvalidArgumentError(
    `perProcess() takes a function that makes the value, such as () => new Pool(); got ${got}`,
    { argument: 'make', value, allowed: 'a function that makes the value' },
  );
}
