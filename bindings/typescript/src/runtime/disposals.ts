/**
 * What this process has to dispose of when it ends in order: values of `perProcess` that came with a `dispose`.
 *
 * 1. Each value is disposed of once, and none while its `make` is under way.
 * 2. They go in the reverse order in which they were made, one after the other: what was made later may use the earlier.
 * 3. All together take `DISPOSAL_MS_MAX` at most. Those that are left after `IN_ORDER_MS_MAX`, because one takes long, go at
 *    the same time.
 * 4. A failure is printed, and keeps nothing else from being disposed of.
 */

import { textWithStack } from '../error-stack.ts';
import { printWithoutFail } from '../printing.ts';

/**
 * How long an ending process waits for `dispose` functions in all. The raylet kills a worker that takes longer
 * (`END_GRACE` and `EXIT_GRACE` in `crates/raylet/src/departures.rs`).
 */
export const DISPOSAL_MS_MAX = 3_000;

/** How much of that they go one after the other. */
const IN_ORDER_MS_MAX = 2_000;

/** A value that has to be disposed of. */
export interface Disposable {
  /** How messages name it: `perProcess(makePool)`. */
  readonly title: string;
  /** What was made; a promise, if `make` was async. */
  readonly value: unknown;
  readonly dispose: (value: unknown) => unknown;
  /** Its maker forgets it: whoever asks for it next gets another one. */
  readonly forget: () => void;
}

const kept = new Set<Disposable>();
/** Disposals that are under way, and what of. */
const open = new Map<Promise<void>, string>();
let tell: (hasAny: boolean) => void = () => undefined;

/** Has somebody told whether there is anything to dispose of, each time that this changes. */
export function tellOfDisposals(listener: (hasAny: boolean) => void): void {
  tell = listener;
}

/** Has a value disposed of at the end of the process, if not before. */
export function disposeLater(each: Disposable): void {
  kept.add(each);
  if (kept.size === 1) tell(true);
}

/** There is nothing to dispose of after all: `make` has failed. */
export function withdraw(each: Disposable): void {
  if (kept.delete(each) && kept.size === 0) tell(false);
}

/** Disposes of one value now, unless that was done. */
export function disposeOf(each: Disposable): Promise<void> {
  if (!kept.has(each)) return Promise.resolve();
  withdraw(each);
  each.forget();
  const disposal = run(each).finally(() => open.delete(disposal));
  open.set(disposal, each.title);
  return disposal;
}

/** Whether there is anything to dispose of, or to wait for. */
export function hasDisposals(): boolean {
  return kept.size > 0 || open.size > 0;
}

/** Disposes of all, also of what is made meanwhile, and waits for it: see the module for how long. Never rejects. */
export async function disposeOfAll(): Promise<void> {
  const began = performance.now();
  if (await within(IN_ORDER_MS_MAX, () => latest(1))) return;
  const left = began + DISPOSAL_MS_MAX - performance.now();
  if (await within(left, () => latest(Infinity))) return;
  const titles = [...open.values(), ...[...kept].map(({ title }) => title)].join(', ');
  report(
    `dispose of ${titles} takes longer than ${DISPOSAL_MS_MAX} ms; the process does not wait for it any more`,
  );
}

/** So many of the values that were made last, beside those that are being disposed of already. */
function latest(count: number): Disposable[] {
  return [...kept].toReversed().slice(0, open.size < count ? count : 0);
}

/** Disposes of the next ones until nothing is left; false if the time was over before. */
async function within(limitMs: number, next: () => readonly Disposable[]): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, limitMs, 'late');
  });
  try {
    while (hasDisposals()) {
      for (const each of next()) void disposeOf(each);
      if ((await Promise.race([...open.keys(), late])) === 'late') return false;
    }
    return true;
  } finally {
    clearTimeout(timer);
  }
}

async function run({ dispose, title, value }: Disposable): Promise<void> {
  let made: unknown;
  try {
    made = await value;
  } catch {
    // Nothing was made, and whoever asked for it has been told why.
    return;
  }
  try {
    await dispose(made);
  } catch (error) {
    report(`dispose of ${title} has failed: ${textWithStack(error)}`);
  }
}

function report(text: string): void {
  printWithoutFail(process.stderr, `${text}\n`);
}
