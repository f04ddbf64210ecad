// Runs a case of our side.

import { fileURLToPath } from 'node:url';
import { runCase } from './child.mjs';

const CASE = fileURLToPath(new URL('../ours/case.mjs', import.meta.url));
const TIMEOUT_MS = 120_000;

/**
 * @param {string} name
 * @param {import('./options.mjs').Options} options
 */
export function runOurs(name, { node, seconds, windows, quick }) {
  return runCase([node, CASE, name, JSON.stringify({ seconds, windows, quick })], {
    timeoutMs: TIMEOUT_MS,
  });
}

/** Ends the process with a message when the package is not built: every case would fail in its own way. */
export async function requireBuild() {
  try {
    import.meta.resolve('eagleray');
    await import('eagleray');
  } catch (error) {
    console.error(`eagleray can't be loaded (${error.message}). Build it first: npm run build`);
    process.exit(1);
  }
}
