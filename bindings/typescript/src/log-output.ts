/**
 * Prints what workers write, line by line, as `(square pid=123) text`.
 *
 * A line that several workers write within a short while is printed once at once, and then once more with the number
 * of its repetitions, as Ray does: a warning from 64 workers takes two lines. What one worker repeats is never folded.
 *
 * Invariants:
 * 1. Every line given to `line` is printed, or counted in a printed line with the same text, at the latest by `flush`.
 * 2. Lines of one worker and stream that are printed themselves keep their order.
 * 3. What is remembered is bounded: `REMEMBERED_LINES_MAX` lines of at most `FOLDED_LENGTH_MAX` characters.
 */

/** Which stream of a worker, and so of the driver. */
export type StreamName = 'stdout' | 'stderr';

/** Calls back once after `delayMs`; returns a function that prevents it. Must not keep the process alive. */
export type Schedule = (callback: () => void, delayMs: number) => () => void;

export interface LogOutputOptions {
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly now?: () => number;
  /** @default an unref'd `setTimeout` */
  readonly schedule?: Schedule;
  /** How long after a line equal ones of other workers are folded; 0 prints all. @default 5000, as Ray */
  readonly foldWindowMs?: number;
  /** Whether the prefixes of a stream are coloured; asked at each line. @default neither */
  readonly wantsColour?: (stream: StreamName) => boolean;
}

export const FOLD_WINDOW_MS_DEFAULT = 5000;
export const REMEMBERED_LINES_MAX = 10_000;
export const FOLDED_LENGTH_MAX = 4096;

const CYAN = '\u001B[36m';
const GREEN = '\u001B[32m';
const RESET = '\u001B[39m';

/** A line that was printed lately, and the repetitions that were held back since. */
interface Recent {
  readonly stream: StreamName;
  readonly text: string;
  /** The workers whose line was printed. What they write again is printed again. */
  readonly printedBy: number;
  readonly expiresAt: number;
  /** The last one of those who repeated it. */
  name: string;
  pid: number;
  repetitions: number;
  readonly workers: Set<number>;
}

export class LogOutput {
  readonly #write: Readonly<Record<StreamName, (text: string) => void>>;
  readonly #now: () => number;
  readonly #schedule: Schedule;
  readonly #foldWindowMs: number;
  readonly #wantsColour: (stream: StreamName) => boolean;
  /** In the order in which they expire: a Map keeps the order of insertion, and every line lives equally long. */
  readonly #recent = new Map<string, Recent>();
  #cancelTimer: (() => void) | undefined;

  constructor(
    writeStdout: (text: string) => void,
    writeStderr: (text: string) => void,
    options: LogOutputOptions = {},
  ) {
    this.#write = { stdout: writeStdout, stderr: writeStderr };
    this.#now = options.now ?? (() => performance.now());
    this.#schedule = options.schedule ?? scheduleUnreferenced;
    this.#foldWindowMs = options.foldWindowMs ?? FOLD_WINDOW_MS_DEFAULT;
    this.#wantsColour = options.wantsColour ?? (() => false);
  }

  /** Takes one line, without its line break, that the worker `pid` wrote while it ran the task or actor `name`. */
  line(name: string, pid: number, stream: StreamName, text: string): void {
    this.#expire();
    if (this.#foldWindowMs === 0 || text === '' || text.length > FOLDED_LENGTH_MAX) {
      this.#print(stream, name, pid, text);
      return;
    }
    const key = `${stream}\n${text}`;
    const recent = this.#recent.get(key);
    if (recent === undefined) {
      this.#print(stream, name, pid, text);
      this.#remember(key, stream, name, pid, text);
    } else if (recent.printedBy === pid) {
      this.#print(stream, name, pid, text);
    } else {
      recent.name = name;
      recent.pid = pid;
      recent.repetitions += 1;
      recent.workers.add(pid);
    }
  }

  /** Prints all that is held back. For shutdown: the same lines may come again afterwards. */
  flush(): void {
    for (const recent of this.#recent.values()) this.#printRepetitions(recent);
    this.#recent.clear();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #remember(key: string, stream: StreamName, name: string, pid: number, text: string): void {
    if (this.#recent.size >= REMEMBERED_LINES_MAX) {
      for (const [oldestKey, oldest] of this.#recent) {
        this.#recent.delete(oldestKey);
        this.#printRepetitions(oldest);
        break;
      }
    }
    this.#recent.set(key, {
      stream,
      text,
      printedBy: pid,
      expiresAt: this.#now() + this.#foldWindowMs,
      name,
      pid,
      repetitions: 0,
      workers: new Set(),
    });
    this.#setTimer();
  }

  #expire(): void {
    if (this.#recent.size === 0) return;
    const now = this.#now();
    for (const [key, recent] of this.#recent) {
      if (recent.expiresAt > now) break;
      this.#recent.delete(key);
      this.#printRepetitions(recent);
    }
  }

  #setTimer(): void {
    if (this.#cancelTimer !== undefined) return;
    const [oldest] = this.#recent.values();
    if (oldest === undefined) return;
    this.#cancelTimer = this.#schedule(
      () => {
        this.#cancelTimer = undefined;
        this.#expire();
        this.#setTimer();
      },
      Math.max(0, oldest.expiresAt - this.#now()),
    );
  }

  #printRepetitions({ stream, name, pid, text, repetitions, workers }: Recent): void {
    if (repetitions === 0) return;
    // A single one takes no more room than its fold would, so it is printed as it came.
    const folded =
      repetitions === 1
        ? ''
        : ` [repeated ${repetitions}x across ${workers.size} ${workers.size === 1 ? 'worker' : 'workers'}]`;
    this.#print(stream, name, pid, text, folded);
  }

  #print(stream: StreamName, name: string, pid: number, text: string, folded = ''): void {
    // A worker that prints before its first task has no name to tell.
    const prefix = `(${name === '' ? 'worker' : name} pid=${pid})`;
    this.#write[stream](
      this.#wantsColour(stream)
        ? `${CYAN}${prefix}${RESET} ${text}${folded === '' ? '' : `${GREEN}${folded}${RESET}`}\n`
        : `${prefix} ${text}${folded}\n`,
    );
  }
}

/** Whether to colour what is written to a stream: terminals only, and not where `NO_COLOR` or `TERM=dumb` is set. */
export function wantsColour(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

/** The default timer: it does not keep the process alive. */
export function scheduleUnreferenced(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}
