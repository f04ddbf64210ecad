/**
 * What V8 writes on standard error when a process runs out of its heap: forty lines that say one thing.
 *
 * ```text
 * <--- Last few GCs --->
 * …ti[1973:0x21800ce0]   396 ms: Mark-Compact (reduce) 39.6 (68.4) -> 39.3 (41.7) MB, 62.15 / 0.00 ms …
 * <--- JS stacktrace --->
 * FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory
 * ----- Native stack trace -----
 *  1: 0xb78db3 node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]
 * ```
 *
 * or, when one array grows beyond what V8 can make, `# Fatal JavaScript invalid size error 169220804` between lines of
 * `#`. Errors show what it says, and the terminal the one line that says it. Every line of a program that is no part of
 * a dump stays.
 */

/** What a dump says. */
export interface FatalMemory {
  /** V8's words, such as `Reached heap limit`. */
  readonly reason: string;
  /** Whether one object was larger than V8 can make, and not all of them together too large. */
  readonly isOneObject: boolean;
  /** Megabytes (of 2^20 bytes, as V8 has it) that were in use after the last collection; null if the dump does not say. */
  readonly usedMegabytes: number | null;
}

const FATAL =
  /FATAL ERROR: (.*?)(?: Allocation failed)? - (?:JavaScript heap|process) out of memory/;
const INVALID_SIZE = /^# (Fatal JavaScript invalid size error \d+)/;
const GC_HEADING = '<--- Last few GCs --->';
const JS_HEADING = /^(<--- JS stacktrace --->|==== JS stack trace =+)$/;
const STACK_HEADING = /^-{5} (Native|JavaScript) stack trace -{5}$/;
const STACK_FRAME = /^ *\d+: /;
/** A collection, or what V8's ring of the last ones has left of one. */
const COLLECTION =
  /\[\d+:0x[\da-f]+\] |\d ms: (Mark-Compact|Scavenge|Minor)|\(average mu = |GC in old space/;
const HASHES = /^#($| Fatal error in |FailureMessage Object: )/;

/** V8 keeps 512 bytes of its last collections: no more lines than this belong to them. */
const COLLECTION_LINES_MAX = 10;

/** What the last lines of a process say of its memory; undefined if they hold no such dump. */
export function readFatalMemory(lines: readonly string[]): FatalMemory | undefined {
  for (const line of lines.toReversed()) {
    const size = INVALID_SIZE.exec(line)?.[1];
    if (size !== undefined) return { reason: size, isOneObject: true, usedMegabytes: null };
    const reason = FATAL.exec(line)?.[1];
    if (reason === undefined) continue;
    const used = lines.flatMap((each) => [...each.matchAll(/-> ([\d.]+) \([\d.]+\) MB/g)]).at(-1);
    return {
      reason,
      isOneObject: /^invalid (table|array|string)/i.test(reason),
      usedMegabytes: used === undefined ? null : Number(used[1]),
    };
  }
  return undefined;
}

/** The last lines of a process without V8's dump. Its beginning may be cut off. */
export function withoutDump(lines: readonly string[]): string[] {
  const dump = new Dump();
  const kept: string[] = [];
  for (const line of lines) {
    if (dump.takes(line) === 'nothing') {
      kept.push(line);
      continue;
    }
    for (let last = kept.at(-1); last !== undefined; last = kept.at(-1)) {
      if (!mayBegin(last) && !COLLECTION.test(last)) break;
      kept.pop();
    }
  }
  return kept;
}

/** Where in a dump the lines of a process are. */
class Dump {
  private part: 'none' | 'collections' | 'stacks' | 'hashes' = 'none';
  private collections = 0;

  get isOpen(): boolean {
    return this.part !== 'none';
  }

  /** What of a dump a line is: the line that says why, another one, or nothing of it. */
  takes(line: string): 'reason' | 'part' | 'nothing' {
    if (line === GC_HEADING) {
      this.part = 'collections';
      this.collections = 0;
      return 'part';
    }
    if (FATAL.test(line)) {
      this.part = 'stacks';
      return 'reason';
    }
    if (JS_HEADING.test(line)) {
      this.part = 'stacks';
      return 'part';
    }
    if (INVALID_SIZE.test(line)) {
      this.part = 'hashes';
      return 'reason';
    }
    if (this.belongs(line)) return 'part';
    this.part = 'none';
    return 'nothing';
  }

  private belongs(line: string): boolean {
    switch (this.part) {
      case 'none':
        return false;
      case 'collections':
        return ++this.collections <= COLLECTION_LINES_MAX;
      case 'hashes':
        if (STACK_HEADING.test(line)) this.part = 'stacks';
        return line === '' || HASHES.test(line) || STACK_HEADING.test(line);
      case 'stacks':
        return line === '' || STACK_HEADING.test(line) || STACK_FRAME.test(line);
    }
  }
}

/** Calls back once after `delayMs`. Must not keep the process alive. */
export type ScheduleOnce = (callback: () => void, delayMs: number) => void;

/** So long a line is held back that may be the first of a dump: V8 writes one at once. */
export const HELD_BACK_MS = 100;

/** So many processes are remembered that are writing a dump, or have ended while they did. */
const PROCESSES_MAX = 64;

interface Watched {
  readonly dump: Dump;
  heldBack: (() => void)[];
}

/** Leaves of V8's dumps, in what workers write, the one line that says why. */
export class DumpFilter {
  /** By process: those that write a dump, or what may be the beginning of one. */
  private readonly watched = new Map<number, Watched>();
  private readonly schedule: ScheduleOnce;
  private isScheduled = false;

  constructor(schedule: ScheduleOnce = scheduleUnreferenced) {
    this.schedule = schedule;
  }

  /** Takes a line of a process; calls `show` now, later, or never. */
  line(pid: number, isError: boolean, text: string, show: () => void): void {
    const known = this.watched.get(pid);
    if (!isError) {
      // What is held back of the other stream came first.
      if (known !== undefined) release(known);
      show();
      return;
    }
    if (known === undefined && !mayBegin(text)) return show();
    const watched = known ?? this.watch(pid);
    const taken = watched.dump.takes(text);
    if (taken === 'nothing' && mayBegin(text)) {
      this.holdBack(watched, show);
      return;
    }
    if (taken === 'nothing') release(watched);
    else watched.heldBack = [];
    if (taken !== 'part') show();
    if (!watched.dump.isOpen) this.watched.delete(pid);
  }

  /** Shows what is held back: no further line will come soon. */
  flush(): void {
    for (const [pid, watched] of this.watched) {
      release(watched);
      if (!watched.dump.isOpen) this.watched.delete(pid);
    }
  }

  private watch(pid: number): Watched {
    if (this.watched.size >= PROCESSES_MAX) {
      this.flush();
      for (const oldest of this.watched.keys()) {
        if (this.watched.size < PROCESSES_MAX) break;
        this.watched.delete(oldest);
      }
    }
    const watched: Watched = { dump: new Dump(), heldBack: [] };
    this.watched.set(pid, watched);
    return watched;
  }

  private holdBack(watched: Watched, show: () => void): void {
    watched.heldBack.push(show);
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.schedule(() => {
      this.isScheduled = false;
      this.flush();
    }, HELD_BACK_MS);
  }
}

function scheduleUnreferenced(callback: () => void, delayMs: number): void {
  setTimeout(callback, delayMs).unref();
}

/** V8 begins a dump with empty lines, or with lines of `#` and nothing else; its beginning may be missing. */
function mayBegin(text: string): boolean {
  return (
    text === '' ||
    text === GC_HEADING ||
    HASHES.test(text) ||
    FATAL.test(text) ||
    INVALID_SIZE.test(text)
  );
}

function release(watched: Watched): void {
  const { heldBack } = watched;
  watched.heldBack = [];
  for (const show of heldBack) show();
}
