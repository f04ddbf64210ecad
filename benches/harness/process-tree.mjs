// Memory of a process and everything below it, by the kernel's own figures.
//
// PSS (proportional set size) divides a page that n processes map by n, so the sum over a tree counts every page once,
// shared memory included. RSS would count the object store once per worker.

import { readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/**
 * The ids of `rootPid` and of all its descendants.
 *
 * @param {number} rootPid
 * @param {number} [without] a descendant to leave out, with what is below it
 */
export function processTree(rootPid, without) {
  const children = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = readProcessFile(entry, 'stat');
    if (stat === undefined) continue;
    // The name is in parentheses and may itself contain spaces and parentheses; the parent follows the state.
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found = [];
  const pending = [rootPid];
  while (pending.length > 0) {
    const pid = pending.pop();
    if (pid === without) continue;
    found.push(pid);
    pending.push(...(children.get(pid) ?? []));
  }
  return found;
}

/**
 * The PSS of a whole tree in bytes, and how many processes it has.
 *
 * @param {number} rootPid
 * @param {number} [without] a descendant to leave out, with what is below it
 */
export function treeMemory(rootPid, without) {
  let bytes = 0;
  let processes = 0;
  for (const pid of processTree(rootPid, without)) {
    const rollup = readProcessFile(String(pid), 'smaps_rollup');
    const pss = rollup && /^Pss:\s+(\d+) kB$/m.exec(rollup);
    if (!pss) continue;
    bytes += Number(pss[1]) * 1_024;
    processes += 1;
  }
  return { bytes, processes };
}

/** The text of a file under /proc, or `undefined` when its process has ended since it was listed. */
export function readProcessFile(/** @type {string} */ pid, /** @type {string} */ name) {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined;
    throw error;
  }
}

// Called as a program by the cases that are not JavaScript: `node process-tree.mjs PID` prints the figures as JSON.
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(JSON.stringify(treeMemory(Number(process.argv[2]), process.pid)));
}
