/**
 * Copies a folder that becomes a checkpoint, so that the copy needs nothing of the folder.
 *
 * - FC-1 A link to something in the folder leads to the same thing in the copy. Of any other link the copy has what it leads to; one
 *   that leads nowhere stays as it is.
 * - FC-2 Nothing is left out: what can't be copied is a `FolderError`, which names it.
 * - FC-3 Whoever owns the copy can remove it: its folders are writable, whatever those that were copied are.
 *
 * What is in the folder is looked at while it is copied: it should be left as it is until then.
 */

import {
  type Stats,
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { chmod, copyFile, mkdir, symlink } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize, relative, sep } from 'node:path';

/** It is the folder that can't be copied, and not the disk that can't be written. */
export class FolderError extends Error {}

/** Copies a folder to a place where nothing is, in a folder that is there. @throws FolderError, and what the system says of the copy */
export async function copyFolder(from: string, to: string): Promise<void> {
  for (const step of stepsTo(from, to)) {
    try {
      if (step.kind === 'file') await copyFile(step.from, step.to, CLONED_IF_POSSIBLE);
      else if (step.kind === 'link') await symlink(step.target, step.to);
      else {
        await mkdir(step.to);
        await chmod(step.to, step.mode);
      }
    } catch (error) {
      throw whyNotDone(step, error);
    }
  }
}

/** The same, blocking. */
export function copyFolderSync(from: string, to: string): void {
  for (const step of stepsTo(from, to)) {
    try {
      if (step.kind === 'file') copyFileSync(step.from, step.to, CLONED_IF_POSSIBLE);
      else if (step.kind === 'link') symlinkSync(step.target, step.to);
      else {
        mkdirSync(step.to);
        chmodSync(step.to, step.mode);
      }
    } catch (error) {
      throw whyNotDone(step, error);
    }
  }
}

/** File systems that can do it share the bytes until one of both is changed. */
const CLONED_IF_POSSIBLE = constants.COPYFILE_FICLONE;

/** What is to be done next; folders come before what is in them. */
type Step =
  | { readonly kind: 'folder'; readonly to: string; readonly mode: number }
  | { readonly kind: 'file'; readonly from: string; readonly to: string }
  | { readonly kind: 'link'; readonly to: string; readonly target: string };

/** A folder that is copied, by its real path, and where to. */
interface Root {
  readonly from: string;
  readonly to: string;
}

function* stepsTo(from: string, to: string): Generator<Step> {
  const root = ofSource(() => realpathSync(from));
  if (isWithin(realpathSync(dirname(to)), root)) {
    throw new FolderError('the checkpoints of the trial are written into it; give a folder in it');
  }
  yield* stepsOfRoot([{ from: root, to }]);
}

/** Of the last one; those before have links that lead to it. */
function* stepsOfRoot(roots: readonly Root[]): Generator<Step> {
  const { from, to } = roots.at(-1)!;
  const stats = ofSource(() => statSync(from));
  if (!stats.isDirectory()) throw new FolderError(`${from} is ${kindOf(stats)}, and no folder`);
  yield* stepsOfFolder(from, to, stats, roots);
}

function* stepsOfFolder(
  from: string,
  to: string,
  { mode }: Stats,
  roots: readonly Root[],
): Generator<Step> {
  // FC-3.
  yield { kind: 'folder', to, mode: (mode & 0o777) | 0o700 };
  for (const name of ofSource(() => readdirSync(from))) {
    const [source, target] = [join(from, name), join(to, name)];
    const stats = ofSource(() => lstatSync(source));
    if (stats.isDirectory()) yield* stepsOfFolder(source, target, stats, roots);
    else if (stats.isSymbolicLink()) yield* stepsOfLink(source, target, roots);
    else if (stats.isFile()) yield { kind: 'file', from: source, to: target };
    else throw new FolderError(`${source} is ${kindOf(stats)}; ${ALLOWED}`);
  }
}

/** FC-1. */
function* stepsOfLink(from: string, to: string, roots: readonly Root[]): Generator<Step> {
  const text = ofSource(() => readlinkSync(from));
  const real = realPathOf(from);
  const own = roots.at(-1)!;
  const root = real === undefined ? own : roots.findLast((each) => isWithin(real, each.from));
  if (root !== undefined) {
    const isAsItIs = real === undefined || (root === own && staysWithin(text, from, own));
    const moved = (): string => relative(dirname(to), join(root.to, relative(root.from, real!)));
    yield { kind: 'link', to, target: isAsItIs ? text : moved() || '.' };
    return;
  }
  if (roots.some((each) => isWithin(each.from, real!))) {
    throw new FolderError(`${from} leads to ${real}, which contains the folder itself`);
  }
  const stats = ofSource(() => statSync(real!));
  if (stats.isDirectory()) yield* stepsOfRoot([...roots, { from: real!, to }]);
  else if (stats.isFile()) yield { kind: 'file', from: real!, to };
  else throw new FolderError(`${from} leads to ${real}, which is ${kindOf(stats)}; ${ALLOWED}`);
}

const ALLOWED = 'allowed: files, folders and links to them';

/** Where a link leads; undefined for nowhere. */
function realPathOf(link: string): string | undefined {
  try {
    return realpathSync(link);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ELOOP' || code === 'ENOTDIR') return undefined;
    throw new FolderError((error as Error).message, { cause: error });
  }
}

/** Whether the text of a link says the same in any folder that has what this one has. */
function staysWithin(text: string, link: string, root: Root): boolean {
  return !isAbsolute(text) && ups(text) <= depthOf(dirname(link), root);
}

/** How many folders a path goes up before it goes down. */
function ups(text: string): number {
  return normalize(text)
    .split(sep)
    .filter((part) => part === '..').length;
}

function depthOf(folder: string, root: Root): number {
  return relative(root.from, folder).split(sep).filter(Boolean).length;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}

function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  return stats.isFile() ? 'a file' : 'a device';
}

/** What is asked of the folder that is copied. @throws FolderError */
function ofSource<T>(call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw new FolderError((cause as Error).message, { cause });
  }
}

/** One error may be of the file that is read, or of the one that is written. */
function whyNotDone(step: Step, error: unknown): unknown {
  if (step.kind !== 'file') return error;
  try {
    accessSync(step.from, constants.R_OK);
  } catch {
    return new FolderError((error as Error).message, { cause: error });
  }
  return error;
}
