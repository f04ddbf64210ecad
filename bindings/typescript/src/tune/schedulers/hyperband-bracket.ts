/**
 * One bracket of HyperBand: trials that run to a milestone, of which the worse are dropped, and so on. Ray's `_Bracket`.
 *
 * - HB-1 A trial lives here from when it is added until it is removed; whoever is not among the best of a halving is removed by it.
 * - HB-2 It is done when every trial that lives here has reached the milestone.
 */

import { ascending } from './order-statistics.ts';
import type { TrialKey } from './trial-lookup.ts';

/** What a bracket begins with. Times are in units of `timeAttr`. */
export interface BracketShape {
  /** For how many trials there is room. */
  readonly size: number;
  /** The first milestone. */
  readonly milestone: number;
  /** How often it halves. */
  readonly halvings: number;
  readonly maxT: number;
  readonly reductionFactor: number;
  readonly stopLastTrials: boolean;
}

interface LiveTrial extends TrialKey {
  /** 0 before its first report. */
  time: number;
  score: number;
}

export class HyperbandBracket {
  readonly #shape: BracketShape;
  readonly #live = new Map<string, LiveTrial>();
  readonly #totalWork: number;
  #size: number;
  #milestone: number;
  #halvings: number;
  /** How many live trials have not reached the milestone. */
  #behind = 0;
  #progress = 0;

  constructor(shape: BracketShape) {
    this.#shape = shape;
    this.#size = shape.size;
    this.#milestone = shape.milestone;
    this.#halvings = shape.halvings;
    this.#totalWork = totalWorkOf(shape);
  }

  get live(): Iterable<TrialKey> {
    return this.#live.values();
  }

  get isEmpty(): boolean {
    return this.#live.size === 0;
  }

  /** There is no room. After a halving there is less of it; an end makes some. */
  get isFilled(): boolean {
    return this.#live.size >= this.#size;
  }

  /** HB-2. */
  get isDone(): boolean {
    return this.#behind === 0;
  }

  /** There is no halving left. */
  get isLast(): boolean {
    return this.#halvings === 0;
  }

  /** From 0 to 1, as far as it can be said: those who have ended early are missing in it. */
  get completion(): number {
    if (this.#shape.stopLastTrials && this.isLast && this.isDone) return 1;
    return Math.min(this.#progress / this.#totalWork, 1);
  }

  has(id: string): boolean {
    return this.#live.has(id);
  }

  add({ id, number }: TrialKey): void {
    this.#live.set(id, { id, number, time: 0, score: -Infinity });
    this.#behind += 1;
  }

  remove(id: string): void {
    const trial = this.#live.get(id);
    if (trial === undefined) return;
    this.#live.delete(id);
    if (trial.time < this.#milestone) this.#behind -= 1;
  }

  report(id: string, time: number, score: number): void {
    const trial = this.#live.get(id);
    if (trial === undefined) return;
    this.#behind += Number(time < this.#milestone) - Number(trial.time < this.#milestone);
    this.#progress += time - trial.time;
    trial.time = time;
    trial.score = score;
  }

  /** Whether a trial has something to do before the others have come as far. */
  goesOn(id: string): boolean {
    const trial = this.#live.get(id);
    if (trial === undefined) return false;
    return trial.time < this.#milestone || this.runsFreely;
  }

  /** Nobody is stopped here any more. */
  get runsFreely(): boolean {
    return this.isLast && !this.#shape.stopLastTrials;
  }

  /** Sets the next milestone, and removes and returns those who do not go on to it, the worst first. */
  halve(): TrialKey[] {
    this.#halvings -= 1;
    this.#size = Math.ceil(this.#size / this.#shape.reductionFactor);
    this.#milestone = Math.floor(
      Math.min(this.#milestone * this.#shape.reductionFactor, this.#shape.maxT),
    );
    const ranked = [...this.#live.values()].sort((one, other) => ascending(one.score, other.score));
    const dropped = ranked.slice(0, Math.max(0, ranked.length - this.#size));
    for (const { id } of dropped) this.#live.delete(id);
    this.#behind = 0;
    for (const { time } of this.#live.values()) this.#behind += Number(time < this.#milestone);
    return dropped;
  }
}

/** What all its trials would run for. Ray's sum, which orders the brackets of a band. */
function totalWorkOf({ size, milestone, halvings, maxT, reductionFactor }: BracketShape): number {
  let work = 0;
  let trials = size;
  let time = milestone;
  for (let round = 0; round <= halvings; round++) {
    work += trials * time;
    trials = Math.ceil(trials / reductionFactor);
    time = Math.floor(Math.min(time * reductionFactor, maxT - milestone));
  }
  return work;
}
