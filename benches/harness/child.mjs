// Runs one case in a process of its own, and reads what it measured.
//
// 1. A case gets a fresh process each time: no heap, no compiled code and no warm store comes from an earlier one.
// 2. A case that fails or hangs costs its own row only: its process is ended, and the failure is reported.
// 3. A case prints one line that starts with the marker; all its other output is kept for the failure's message.

import { spawn } from 'node:child_process';

const MARKER = '#result ';
const OUTPUT_KEPT_CHARACTERS_MAX = 4_000;
const TERMINATION_GRACE_MS = 10_000;
const OUTPUT_GRACE_MS = 5_000;

/**
 * @typedef {object} CaseResult
 * @property {Record<string, number[]>} rows samples by row id
 * @property {Record<string, number[]>} [references] samples of what the case itself compares with
 * @property {Record<string, unknown>} [details] anything else worth keeping in the JSON
 */

/**
 * Starts `command` and resolves to what the case reported.
 *
 * @param {string[]} command the program and its arguments
 * @param {{ timeoutMs?: number, env?: Record<string, string>, cwd?: string }} [options]
 * @returns {Promise<CaseResult>} rejects with the end of the output when the case failed or took too long
 */
export function runCase(command, { timeoutMs = 120_000, env = {}, cwd } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0], command.slice(1), {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let unfinishedLine = '';
    let result;
    let timedOut = false;

    const keep = (/** @type {string} */ text) => {
      output = (output + text).slice(-OUTPUT_KEPT_CHARACTERS_MAX);
    };
    child.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (unfinishedLine + text).split('\n');
      unfinishedLine = lines.pop();
      for (const line of lines) {
        if (line.startsWith(MARKER)) result = JSON.parse(line.slice(MARKER.length));
        else keep(`${line}\n`);
      }
    });
    child.stderr.setEncoding('utf8').on('data', keep);

    const fail = (/** @type {string} */ reason) => reject(new Error(`${reason}\n${output.trim()}`));

    // SIGTERM first: Python needs it to end Ray's own processes.
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGTERM');
    }, timeoutMs);
    const lastTimer = setTimeout(() => child.kill('SIGKILL'), timeoutMs + TERMINATION_GRACE_MS);
    const onInterrupt = () => {
      child.once('exit', () => process.exit(130));
      child.kill('SIGTERM');
    };
    process.once('SIGINT', onInterrupt);

    let outputTimer;
    child.on('exit', () => {
      clearTimeout(timer);
      clearTimeout(lastTimer);
      process.off('SIGINT', onInterrupt);
      // The output ends with the last process that holds it, which is not the case's own when it left some behind.
      outputTimer = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        fail('left processes behind that still hold its output');
      }, OUTPUT_GRACE_MS);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(outputTimer);
      if (timedOut) fail(`took longer than ${timeoutMs / 1_000} s`);
      else if (code !== 0) fail(`ended with ${signal ?? `exit code ${code}`}`);
      else if (result === undefined) fail('reported nothing');
      else resolve(result);
    });
  });
}

/**
 * Reports what a case measured. To be called once, in the case's process.
 *
 * @param {CaseResult} result
 */
export function reportResult(result) {
  process.stdout.write(`${MARKER}${JSON.stringify(result)}\n`);
}
