/**
 * Random programs of nested tasks and actors, from a seed. A program is data: what the driver does, and what each task and method
 * that it starts does in its turn. None waits for what can't come: who awaits something while it holds a GPU or a custom resource
 * awaits only what needs none, and actors that keep resources are made by the driver alone.
 */

/** What a task or method does, in order. */
export type Step =
  | { kind: 'spawn'; task: Task; afterwards: 'await' | 'drop' | 'wait' | 'cancel' | 'kill' }
  | { kind: 'actor'; actor: ActorPlan }
  | { kind: 'put'; bytes: number; nested: boolean }
  | { kind: 'pass'; task: Task; bytes: number }
  | { kind: 'sleep'; milliseconds: number };

export interface Task {
  readonly name: string;
  readonly numCpus: number;
  readonly numGpus: number;
  readonly x: number;
  readonly maxCalls: number;
  readonly maxRetries: number;
  readonly steps: readonly Step[];
  readonly end: 'return' | 'throw' | 'exit' | 'large' | 'ref';
}

export interface ActorPlan {
  readonly numCpus: number | undefined;
  readonly numGpus: number;
  readonly maxRestarts: number;
  readonly isAsync: boolean;
  readonly calls: readonly (readonly Step[])[];
  readonly awaited: boolean;
  readonly end: 'drop' | 'kill' | 'terminate' | 'exit' | 'crash' | 'handle to a task';
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Author {
  private readonly random: () => number;
  private tasks = 0;
  private tasksLeft = 14;
  /** Something of this program keeps a GPU for long. */
  private keepsGpu = false;

  constructor(seed: number) {
    this.random = randomOf(seed);
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  private chance(percent: number): boolean {
    return this.random() * 100 < percent;
  }

  private pick<const T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** @param mayHold whether what is awaited here may need GPUs and custom resources */
  steps(depth: number, mayHold: boolean, isDriver: boolean): Step[] {
    const steps: Step[] = [];
    const count = isDriver ? 1 + this.below(5) : this.below(3);
    for (let index = 0; index < count; index += 1) {
      const kind = this.below(100);
      if (kind < 45 && this.tasksLeft > 0 && depth < 4) {
        const afterwards = this.pick([
          'await',
          'await',
          'await',
          'drop',
          'wait',
          'cancel',
          'kill',
        ] as const);
        const isAwaited = afterwards === 'await' || afterwards === 'wait';
        steps.push({
          kind: 'spawn',
          task: this.task(depth + 1, mayHold || !isAwaited),
          afterwards,
        });
      } else if (kind < 60 && this.tasksLeft > 0 && depth < 3) {
        steps.push({ kind: 'actor', actor: this.actor(depth + 1, mayHold, isDriver) });
      } else if (kind < 75) {
        steps.push({ kind: 'put', bytes: this.bytes(), nested: this.chance(40) });
      } else if (kind < 90 && this.tasksLeft > 0 && depth < 4) {
        steps.push({ kind: 'pass', task: this.task(depth + 1, mayHold), bytes: this.bytes() });
      } else {
        steps.push({ kind: 'sleep', milliseconds: this.below(5) });
      }
    }
    return steps;
  }

  private bytes(): number {
    return this.pick([10, 1000, 100_000, 3_000_000]);
  }

  private task(depth: number, mayHold: boolean): Task {
    this.tasksLeft -= 1;
    this.tasks += 1;
    const holds = mayHold && this.chance(30);
    const numGpus = holds ? this.pick(this.keepsGpu ? [0, 0.5, 1] : [0, 0.5, 1, 2]) : 0;
    const x = holds && this.chance(40) ? this.pick([0.5, 1, 2]) : 0;
    const keeps = numGpus > 0 || x > 0;
    return {
      name: `task ${this.tasks}`,
      numCpus: this.pick([1, 1, 1, 0.5, 2, 0]),
      numGpus,
      x,
      maxCalls: this.chance(25) ? this.pick([1, 2]) : 0,
      maxRetries: this.chance(50) ? 0 : 1,
      steps: this.steps(depth, mayHold && !keeps, false),
      end: this.pick(['return', 'return', 'return', 'throw', 'exit', 'large', 'ref'] as const),
    };
  }

  private actor(depth: number, mayHold: boolean, isDriver: boolean): ActorPlan {
    const keepsCpu = isDriver && this.chance(30);
    const numGpus = isDriver && !this.keepsGpu && this.chance(25) ? this.pick([0.5, 1]) : 0;
    this.keepsGpu ||= numGpus > 0;
    const calls = Array.from({ length: 1 + this.below(4) }, () =>
      this.steps(depth, mayHold && numGpus === 0, false),
    );
    return {
      numCpus: keepsCpu ? 1 : undefined,
      numGpus,
      maxRestarts: this.chance(25) ? 1 : 0,
      isAsync: this.chance(40),
      calls,
      awaited: this.chance(70),
      end: this.pick([
        'drop',
        'drop',
        'kill',
        'terminate',
        'exit',
        'crash',
        'handle to a task',
      ] as const),
    };
  }
}

/** What the driver does in the program of a seed. */
export function programOf(seed: number): readonly Step[] {
  return new Author(seed).steps(0, true, true);
}
