/**
 * Who may write to a journal: one at a time.
 *
 * The lock is an abstract Unix socket whose name says which file is meant (device and inode). The kernel gives a name to one
 * socket only, and takes it back when its process is gone, however it went: nothing can be left behind, and nothing has to be
 * taken over. Child processes do not inherit it. It also holds against the other threads of a process, and other names of the
 * same file.
 *
 * - JL-1 Of all that try, one has the lock; it has it until `release`, or until its process has ended.
 * - JL-2 Asking whether a file is locked takes nothing: the kernel lists the names.
 *
 * Limits. Names are known within one network namespace: writers on other machines (NFS), and in containers with a network of
 * their own, do not see each other. Only Linux has such sockets. Optuna's own programs do not take this lock: each of their
 * writes is one line under a lock of theirs, `<file>.lock`. Both they and we append, so on a local file system lines do not mix,
 * and a dashboard can take notes while an experiment runs; theirs (`withOptunaLock`) is only taken to cut off what was torn. If
 * one of them is killed in the middle of a line while an experiment runs, our next event follows the half of it, and that line
 * can't be read any more: Optuna's own writers have that in common with us.
 */

import { lstatSync, readFileSync, renameSync, statSync, symlinkSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { randomUUID } from 'node:crypto';

import { NotSupportedError } from '../../index.ts';
import { ExperimentLockedError, StorageError } from '../errors.ts';

/** `sun_path` of Linux. Names are filled up to it: some versions of Node do so, others don't, and both have to mean the same. */
const NAME_BYTES = 108;

/** A file, whatever it is called. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** The right to write to a journal. */
export class JournalLock {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * @throws ExperimentLockedError if somebody has it, in this process or another one
   * @throws NotSupportedError where there are no abstract sockets
   */
  static take(path: string, file: FileIdentity): JournalLock {
    const name = nameOf(file);
    // Who had it may be gone when the names are looked up.
    for (let attempts = 3; attempts > 0; attempts--) {
      const server = bind(name);
      if (server !== undefined) return new JournalLock(server);
      if (isTaken(name)) {
        const message = `${path} is being written to by another process, or by another run in this one`;
        throw new ExperimentLockedError(message, { path });
      }
    }
    throw new StorageError(`${path} can't be locked: no socket can be made for it`, { path });
  }

  release(): void {
    this.#server.close();
  }
}

/** Whether an experiment's journal has a writer. False if there is no such file. */
export function isLocked(path: string): boolean {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false });
  return file !== undefined && isTaken(nameOf(file));
}

/** Undefined if it did not succeed: why, Node says only later. */
function bind(name: string): Server | undefined {
  const server = createServer((socket) => socket.destroy());
  server.on('error', () => {});
  // Exclusive: the workers of a `cluster` would ask their parent, and share it.
  server.listen({ path: name, exclusive: true });
  server.unref();
  return server.listening ? server : undefined;
}

function nameOf({ dev, ino }: FileIdentity): string {
  if (process.platform !== 'linux') {
    const feature = `journals on ${process.platform}`;
    throw new NotSupportedError('journals are written on Linux only', { feature });
  }
  return `\0eagleray-journal-${dev}-${ino}`.padEnd(NAME_BYTES, '\0');
}

/** In the kernel's list, `@` stands for a zero byte. */
function isTaken(name: string): boolean {
  const listed = ` ${name.replaceAll('\0', '@')}`;
  return readFileSync('/proc/net/unix', 'latin1')
    .split('\n')
    .some((line) => line.endsWith(listed));
}

/** How long Optuna's lock is waited for. It is held for one line. */
const OPTUNA_WAIT_MS = 1000;

/** Who has held it for longer is gone: Optuna's own patience. */
const OPTUNA_GRACE_MS = 30_000;

/**
 * Runs with Optuna's lock held, so that none of its programs is in the middle of a line.
 *
 * @throws ExperimentLockedError if it is held
 */
export function withOptunaLock<T>(path: string, call: () => T): T {
  const lock = `${path}.lock`;
  const deadline = Date.now() + OPTUNA_WAIT_MS;
  while (!madeLink(path, lock)) {
    if (isAbandoned(lock)) remove(lock);
    else if (Date.now() < deadline) pause(10);
    else {
      const message = `${path} is being written to by a program of Optuna; if there is none, remove ${lock}`;
      throw new ExperimentLockedError(message, { path });
    }
  }
  try {
    return call();
  } finally {
    remove(lock);
  }
}

function madeLink(path: string, lock: string): boolean {
  try {
    symlinkSync(path, lock);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new StorageError(`${lock} can't be made`, { path: lock }, { cause });
  }
}

function isAbandoned(lock: string): boolean {
  const found = lstatSync(lock, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs > OPTUNA_GRACE_MS;
}

/** By another name first, as Optuna does: so of several that remove it, one does. */
function remove(lock: string): void {
  const aside = `${lock}${randomUUID()}.rename`;
  try {
    renameSync(lock, aside);
    unlinkSync(aside);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new StorageError(`${lock} can't be removed`, { path: lock }, { cause });
  }
}

function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
