/** Files by which tests let tasks begin and end, in whatever process they run. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A directory of gates. Dispose of it at the end of the file. */
export interface Gates {
  /** The path of a gate that nobody else has. */
  next(): string;
  dispose(): void;
}

export function makeGates(): Gates {
  const directory = mkdtempSync(join(tmpdir(), 'eagleray-api-'));
  let count = 0;
  return {
    next: () => join(directory, `gate-${count++}`),
    dispose: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export function openGate(gate: string): void {
  writeFileSync(gate, '');
}

/** Resolves when somebody has opened the gate. */
export async function passGate(gate: string): Promise<void> {
  while (!existsSync(gate)) await sleep(2);
}

/** Blocks the thread until somebody has opened the gate. */
export function passGateSync(gate: string): void {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  while (!existsSync(gate)) Atomics.wait(clock, 0, 0, 2);
}
