import type { Step } from './program.ts';

/** Carries out steps. Throws if something fails that they don't make fail. */
export function carryOut(steps: readonly Step[]): Promise<number>;
