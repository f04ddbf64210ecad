/**
 * One line at the foot of the terminal while a script waits in `get` for long: tasks done, running and pending.
 *
 * Invariants:
 * 1. Nothing is written unless the stream is a terminal on which lines can be taken away again (not where `TERM=dumb` or a build
 *    server, `CI`, says otherwise), and the line is wanted.
 * 2. The line never mixes with other output: while it stands, whatever is written to a guarded stream first takes it
 *    away. It comes back at the next tick.
 * 3. When the last waiting ends, the line is gone and the guarded streams have their own `write` again.
 */

import { scheduleUnreferenced, type Schedule } from './log-output.ts';

/** What is counted, over all tasks and actor calls that this driver submitted. */
export interface Progress {
  readonly done: number;
  readonly running: number;
  readonly pending: number;
}

/** The part of a `tty.WriteStream` that is used. */
export interface TerminalStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string, ...rest: never[]): boolean;
}

export interface ProgressLineOptions {
  /** Where the line stands: stderr, so that a redirected stdout stays clean. */
  readonly stream: TerminalStream;
  /** The streams that may share the terminal, which is `stream` and stdout. @default `stream` alone */
  readonly guarded?: readonly TerminalStream[];
  /** Reads the counts. Called once per tick while the line stands. */
  readonly read: () => Progress;
  /** `logToDriver`: without it there is no line. @default true */
  readonly wanted?: boolean;
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** @default performance.now */
  readonly now?: () => number;
  /** @default an unref'd `setTimeout` */
  readonly schedule?: Schedule;
  /** How long a wait lasts before the line appears. @default 2000 */
  readonly delayMs?: number;
  /** Time between two updates. @default 250 */
  readonly intervalMs?: number;
}

export const PROGRESS_DELAY_MS_DEFAULT = 2000;
export const PROGRESS_INTERVAL_MS_DEFAULT = 250;
const COLUMNS_DEFAULT = 80;

/** To the start of the line, and erase all of it. */
const CLEAR_LINE = '\r\u001B[2K';

export class ProgressLine {
  readonly #options: ProgressLineOptions;
  readonly #enabled: boolean;
  readonly #now: () => number;
  readonly #schedule: Schedule;
  /** How many `get`s wait at this time. */
  #waiting = 0;
  #waitingSince = 0;
  #isShown = false;
  #cancelTimer: (() => void) | undefined;
  #unguard: (() => void)[] = [];
  /** While it writes itself, the guards let it pass. */
  #isWriting = false;

  constructor(options: ProgressLineOptions) {
    this.#options = options;
    this.#enabled = (options.wanted ?? true) && isLive(options.stream, options.env ?? process.env);
    this.#now = options.now ?? (() => performance.now());
    this.#schedule = options.schedule ?? scheduleUnreferenced;
  }

  /** Says that a `get` waits. The function that it returns says that this one has ended; calling it again is harmless. */
  waiting(): () => void {
    if (!this.#enabled) return doNothing;
    this.#waiting += 1;
    if (this.#waiting === 1) {
      this.#waitingSince = this.#now();
      this.#tickAfter(this.#options.delayMs ?? PROGRESS_DELAY_MS_DEFAULT);
    }
    let hasEnded = false;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#stop();
    };
  }

  /** Takes the line away. It comes back at the next tick if somebody still waits. */
  clear(): void {
    if (!this.#isShown) return;
    this.#isShown = false;
    this.#writeOwn(CLEAR_LINE);
  }

  #tickAfter(delayMs: number): void {
    this.#cancelTimer = this.#schedule(() => {
      this.#draw();
      this.#tickAfter(this.#options.intervalMs ?? PROGRESS_INTERVAL_MS_DEFAULT);
    }, delayMs);
  }

  #draw(): void {
    if (this.#unguard.length === 0) this.#guard();
    const elapsedMs = this.#now() - this.#waitingSince;
    const columns = this.#options.stream.columns ?? COLUMNS_DEFAULT;
    this.#isShown = true;
    this.#writeOwn(CLEAR_LINE + formatProgress(this.#options.read(), elapsedMs, columns));
  }

  #stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.clear();
    for (const unguard of this.#unguard) unguard();
    this.#unguard = [];
  }

  #writeOwn(text: string): void {
    this.#isWriting = true;
    try {
      this.#options.stream.write(text);
    } finally {
      this.#isWriting = false;
    }
  }

  /** Puts itself before each guarded stream's `write`, for as long as somebody waits. */
  #guard(): void {
    for (const stream of new Set(this.#options.guarded ?? [this.#options.stream])) {
      const hadOwnWrite = Object.hasOwn(stream, 'write');
      const write = stream.write;
      const guardedWrite = (...args: Parameters<TerminalStream['write']>): boolean => {
        if (!this.#isWriting) this.clear();
        return write.apply(stream, args);
      };
      stream.write = guardedWrite;
      this.#unguard.push(() => {
        // Somebody else may have wrapped it meanwhile; then ours stays beneath, where it does nothing.
        if (stream.write !== guardedWrite) return;
        if (hadOwnWrite) stream.write = write;
        else delete (stream as Partial<TerminalStream>).write;
      });
    }
  }
}

/** The line's text, cut so that it never wraps: a wrapped line could not be erased. */
export function formatProgress(progress: Progress, elapsedMs: number, columns: number): string {
  const { done, running, pending } = progress;
  const total = done + running + pending;
  const text =
    `${done} of ${total} tasks done, ${running} running, ${pending} pending ` +
    `(${formatSeconds(elapsedMs)})`;
  return text.length < columns ? text : text.slice(0, Math.max(0, columns - 1));
}

function formatSeconds(elapsedMs: number): string {
  const seconds = Math.floor(elapsedMs / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Whether what stands on a stream can be drawn anew: as reporters of tuning see it. */
function isLive(
  stream: TerminalStream,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  const ci = env['CI'] ?? '';
  const isOnBuildServer = ci !== '' && ci !== '0' && ci !== 'false';
  return stream.isTTY === true && env['TERM'] !== 'dumb' && !isOnBuildServer;
}

function doNothing(): void {}
