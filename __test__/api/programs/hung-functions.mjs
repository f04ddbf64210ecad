/** Functions of a program that hang on modules of Node and on globals, before anything has travelled; prints what they give. */

import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import Module from 'node:module';
import process from 'node:process';
import util from 'node:util';

import { get, init, remote, shutdown } from 'eagleray';

/** A function that tells by which name it was hung up. */
const named = (word) => () => `mine ${word}`;

const hung = {};
const hang = (where, holder, name, fn = named(where)) => {
  // What hangs on a prototype must not turn up in loops.
  const enumerable = holder !== Array.prototype;
  Object.defineProperty(holder, name, { value: fn, configurable: true, enumerable });
  hung[where] = fn;
};

const listener = named('listener');
process.on('SIGUSR2', listener);
hung['listener'] = listener;
const second = named('one of two listeners');
process.on('SIGWINCH', () => undefined).on('SIGWINCH', second);
hung['one of two listeners'] = second;
hang('process', process, 'added');
hang('a member of process', process.report, 'added');
hang('a listener of its own', process, 'ownListeners', { nested: named('nested') }.nested);
hang('a module', fs, 'added');
hang('a member of a module', fs.promises, 'added');
hang('a class of a module', EventEmitter, 'added');
hang('a hook of modules', Module._extensions, '.added');
hang('what replaces a function', fs, 'truncateSync');
hang('what replaces a function of a function', util.promisify, 'custom');
hang('a global', Math, 'added');
hang('what replaces a function of a global', Math, 'cbrt');
hang('a method of a prototype', Array.prototype, 'added');

await init({ numCpus: 1 });
const results = {};
const attempt = async (how, where, call) => {
  try {
    results[where] = { ...results[where], [how]: await get(call()) };
  } catch (error) {
    results[where] = { ...results[where], [how]: error.message };
  }
};
for (const [where, fn] of Object.entries(hung)) {
  await attempt('argument', where, () => remote((given) => given()).remote(fn));
  await attempt('captured', where, () => remote(() => fn()).remote());
  await attempt('itself', where, () => remote(fn).remote());
  await attempt('result', where, () => remote((given) => given).remote(fn));
  const { result } = results[where];
  results[where].result = typeof result === 'function' ? result() : result;
}
await shutdown();
console.log(JSON.stringify(results));
