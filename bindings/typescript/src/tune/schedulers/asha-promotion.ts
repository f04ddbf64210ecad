/**
 * Asynchronous successive halving that promotes: Algorithm 2 of Li et al., "A System for Massively Parallel Hyperparameter Tuning".
 *
 * ```
 * unstarted ──chosen──▶ going ──reaches its next rung──▶ waiting ──chosen: promoted──▶ going … ──maxT──▶ ended
 * ```
 *
 * - AP-1 A trial has one next rung. When it has reached that, it is recorded there, once, and waits.
 * - AP-2 Who waits goes on if it is among the best ⌊n/reductionFactor⌋ of the n that were ever recorded at its rung; the highest
 *   rung comes first, then the better one, then the lower number.
 * - AP-3 A new trial begins only if nobody can be promoted, so a worker idles only when there are no new ones left.
 */

import { chooseBracket } from './asha-settings.ts';
import type { AshaSettings } from './asha-settings.ts';
import type { Objective } from './objective.ts';
import { timeOf } from './objective.ts';
import { firstPlace } from './order-statistics.ts';
import { RandomSource } from './random.ts';
import type { Decision, ScheduledTrial, Scheduler, SchedulerControl } from './scheduler.ts';
import { trialOf } from './trial-lookup.ts';
import type { TrialKey } from './trial-lookup.ts';
import type { ReportedMetrics } from '../types.ts';

/** The scheduler; `milestones` ascending. */
export function promotingAsha(
  settings: AshaSettings,
  milestones: readonly number[],
  objective: Objective,
): Scheduler {
  const promotion = new Promotion(settings, milestones, objective);
  return {
    pauses: true,
    setup: (setup) => promotion.begin(() => objective.begin(setup)),
    onTrialAdd: (trial) => void promotion.standingOf(trial),
    onTrialResult: (trial, metrics) => promotion.judge(trial, metrics),
    onTrialComplete: (trial) => promotion.forget(trial),
    onTrialRemove: (trial) => promotion.forget(trial),
    onTrialError: (trial) => promotion.forget(trial),
    chooseTrialToRun: (control) => promotion.choose(control),
  };
}

/** How a trial stands. */
interface Standing extends TrialKey {
  readonly bracket: Bracket;
  /** How many rungs it has been recorded at. */
  rungsReached: number;
  /** Its record at the last of them, while it waits there. */
  waitsAs: RungRecord | undefined;
}

interface Bracket {
  /** Ascending. At `maxT` nobody is promoted any more, so there is none. */
  readonly rungs: readonly Rung[];
}

class Promotion {
  readonly #settings: AshaSettings;
  readonly #objective: Objective;
  readonly #brackets: readonly Bracket[];
  /** Of all brackets, the highest first. */
  readonly #rungs: readonly Rung[];
  readonly #standings = new Map<string, Standing>();
  readonly #unstarted = new Map<string, Standing>();
  readonly #going = new Map<string, Standing>();
  /** Those who wait, were chosen, and have not been heard of since. */
  readonly #chosen = new Map<string, Standing>();
  #random: RandomSource;

  constructor(settings: AshaSettings, milestones: readonly number[], objective: Objective) {
    this.#settings = settings;
    this.#objective = objective;
    this.#random = new RandomSource(objective.seed);
    const below = milestones.filter((milestone) => milestone < settings.maxT);
    this.#brackets = Array.from({ length: settings.brackets }, (_, skipped) => ({
      rungs: below.slice(skipped).map((milestone) => new Rung(milestone, settings.reductionFactor)),
    }));
    this.#rungs = this.#brackets
      .flatMap(({ rungs }) => rungs)
      .sort((one, other) => other.milestone - one.milestone);
  }

  begin(beginObjective: () => void): void {
    beginObjective();
    this.#random = new RandomSource(this.#objective.seed);
  }

  standingOf({ id, number }: ScheduledTrial): Standing {
    let standing = this.#standings.get(id);
    if (standing === undefined) {
      const bracket = chooseBracket(this.#brackets, this.#random);
      standing = { id, number, bracket, rungsReached: 0, waitsAs: undefined };
      this.#standings.set(id, standing);
      this.#unstarted.set(id, standing);
    }
    return standing;
  }

  judge(trial: ScheduledTrial, metrics: ReportedMetrics): Decision {
    const standing = this.standingOf(trial);
    this.#goesOn(standing);
    const time = timeOf(metrics, this.#settings.timeAttr);
    const score = this.#objective.score(metrics);
    if (time === undefined || score === undefined) return 'CONTINUE';
    if (time >= this.#settings.maxT) return this.#settings.stopLastTrials ? 'STOP' : 'CONTINUE';
    const rung = standing.bracket.rungs[standing.rungsReached];
    if (rung === undefined || time < rung.milestone) return 'CONTINUE';
    standing.rungsReached += 1;
    standing.waitsAs = { id: standing.id, number: standing.number, score };
    rung.record(standing.waitsAs);
    this.#going.delete(standing.id);
    return 'PAUSE';
  }

  /** A report shows that it runs, whoever has chosen it. */
  #goesOn(standing: Standing): void {
    this.#stopsWaiting(standing);
    this.#unstarted.delete(standing.id);
    this.#going.set(standing.id, standing);
  }

  #stopsWaiting(standing: Standing): void {
    this.#chosen.delete(standing.id);
    if (standing.waitsAs === undefined) return;
    standing.bracket.rungs[standing.rungsReached - 1]!.promoted(standing.waitsAs);
    standing.waitsAs = undefined;
  }

  /** It has ended; what it was recorded with stays. */
  forget({ id }: ScheduledTrial): void {
    const standing = this.#standings.get(id);
    if (standing === undefined) return;
    this.#stopsWaiting(standing);
    this.#standings.delete(id);
    this.#unstarted.delete(id);
    this.#going.delete(id);
  }

  choose(control: SchedulerControl): string | undefined {
    return (
      // Who was under way and was interrupted has its promotion behind it.
      first(this.#going, (standing) => hasState(control, standing, 'PENDING', 'PAUSED')) ??
      first(this.#chosen, (standing) => hasState(control, standing, 'PENDING')) ??
      this.#promotable(control) ??
      first(this.#unstarted, (standing) => hasState(control, standing, 'PENDING', 'PAUSED')) ??
      this.#leftOver(control)
    );
  }

  #promotable(control: SchedulerControl): string | undefined {
    for (const rung of this.#rungs) {
      const record = rung.best((waiting) => hasState(control, waiting, 'PAUSED'));
      if (record === undefined) continue;
      this.#chosen.set(record.id, this.#standings.get(record.id)!);
      return record.id;
    }
    return undefined;
  }

  /** After a restore a trial can be pending that was promoted before. Nobody else is under way, so there is time to look. */
  #leftOver(control: SchedulerControl): string | undefined {
    if (this.#going.size > 0 || this.#chosen.size > 0 || this.#unstarted.size > 0) return undefined;
    return control.trials.find(({ status }) => status === 'PENDING')?.id;
  }
}

interface RungRecord extends TrialKey {
  readonly score: number;
}

/** The scores at a milestone, and who of them waits there. */
class Rung {
  readonly milestone: number;
  readonly #reductionFactor: number;
  /** The best first. */
  readonly #recorded: RungRecord[] = [];
  readonly #waiting: RungRecord[] = [];

  constructor(milestone: number, reductionFactor: number) {
    this.milestone = milestone;
    this.#reductionFactor = reductionFactor;
  }

  record(record: RungRecord): void {
    this.#recorded.splice(placeOf(this.#recorded, record), 0, record);
    this.#waiting.splice(placeOf(this.#waiting, record), 0, record);
  }

  promoted(record: RungRecord): void {
    const place = placeOf(this.#waiting, record);
    if (this.#waiting[place] === record) this.#waiting.splice(place, 1);
  }

  /** The best one that can go on; AP-2. */
  best(canGoOn: (record: RungRecord) => boolean): RungRecord | undefined {
    const size = Math.floor(this.#recorded.length / this.#reductionFactor);
    for (const record of this.#waiting) {
      if (placeOf(this.#recorded, record) >= size) return undefined;
      if (canGoOn(record)) return record;
    }
    return undefined;
  }
}

/** Where a record is, or belongs: the better first, then the lower number. */
function placeOf(records: readonly RungRecord[], { score, number }: RungRecord): number {
  return firstPlace(
    records,
    (other) => other.score > score || (other.score === score && other.number < number),
  );
}

function first(
  standings: ReadonlyMap<string, Standing>,
  isMeant: (standing: Standing) => boolean,
): string | undefined {
  for (const standing of standings.values()) if (isMeant(standing)) return standing.id;
  return undefined;
}

function hasState(
  control: SchedulerControl,
  key: TrialKey,
  ...states: ScheduledTrial['status'][]
): boolean {
  const trial = trialOf(control, key);
  return trial !== undefined && states.includes(trial.status);
}
