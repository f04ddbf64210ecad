/** The name of an experiment that was given none: the trainable's, with date and time, as the name of a folder. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { StorageError } from '../errors.ts';

/** The most bytes of it that come from the trainable's name: file systems allow 255 for all. */
const NAME_BYTES_MAX = 100;

/** How often a name with a number is tried before it is said that something is wrong. */
const NUMBERS_MAX = 10_000;

/** Separators, and what is not to be seen or is no character: control characters, marks of direction, lone surrogates. */
const UNFIT = /[/\\\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu;

/** Never outside of a folder that it is put into, whatever a function is called. */
export function defaultName(trainable: { readonly name: unknown }, now: Date): string {
  const digits = now.toISOString().replaceAll(/[-:]/g, '').slice(0, 15).replace('T', '-');
  return `${nameOf(trainable) || 'trainable'}-${digits}`;
}

/** Hidden folders and those that look like options of a program are nothing that anybody has wanted. */
function nameOf({ name }: { readonly name: unknown }): string {
  if (typeof name !== 'string') return '';
  const cleaned = name.replaceAll(UNFIT, '-').replace(/^[.\s-]+/, '');
  let bytes = 0;
  let cut = '';
  for (const character of cleaned) {
    bytes += Buffer.byteLength(character);
    if (bytes > NAME_BYTES_MAX) break;
    cut += character;
  }
  return cut;
}

/**
 * Makes a folder that nobody has: several experiments may begin in the same second, in several processes too. Its name is the given
 * one, or that with `-2`, `-3`, …
 *
 * @throws StorageError
 */
export function makeFreeFolder(storagePath: string, name: string): string {
  make(storagePath, { recursive: true });
  for (let number = 1; number <= NUMBERS_MAX; number++) {
    const free = number === 1 ? name : `${name}-${number}`;
    if (make(join(storagePath, free), {})) return free;
  }
  const path = join(storagePath, name);
  throw new StorageError(`${path} is taken, and so are ${NUMBERS_MAX} names after it`, { path });
}

/** False if it is there. */
function make(path: string, options: { readonly recursive?: boolean }): boolean {
  try {
    mkdirSync(path, options);
    return true;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST' && options.recursive !== true) return false;
    throw new StorageError(`the folder ${path} can't be made: ${message}`, { path }, { cause });
  }
}
