// The command line that the three benchmarks share.

import { parseArgs } from 'node:util';

/**
 * @typedef {object} Options
 * @property {string} filter rows whose id, case or description contains it; a comma separates several
 * @property {string | undefined} json file to write the results to
 * @property {number} seconds length of a window of a rate
 * @property {number} windows windows in one process
 * @property {number} rounds how often each case is run, each time in a new process
 * @property {string} node the Node that runs our side
 * @property {boolean} check end with an error when a target that must be reached is missed
 * @property {boolean} all also the rows without a target
 * @property {boolean} quick less of each case, where there is such a thing
 */

/**
 * Reads the command line; prints the usage and ends the process when asked to, or when an option is unknown.
 *
 * @param {string} name how the benchmark is called
 * @param {{ seconds: number, windows: number, rounds: number, all: boolean, quick?: string }} defaults `quick`: what that
 *   option means, where there is one
 * @returns {Options}
 */
export function readOptions(name, defaults) {
  const usage = `npm run ${name} -- [options]
  --filter TEXT   only rows whose id or description contains TEXT (several: a,b)
  --json FILE     write the results to FILE as JSON
  --seconds N     length of a window (default ${defaults.seconds})
  --windows N     windows in one process (default ${defaults.windows})
  --rounds N      processes for each case, taken in turn (default ${defaults.rounds})
  --node PATH     the Node that runs our side (default: this one)
  --check         end with exit code 1 when a "must" is missed
  --all           also the rows without a target${defaults.all ? ' (always on here)' : ''}${defaults.quick === undefined ? '' : `\n  --quick         ${defaults.quick}`}`;
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        filter: { type: 'string', default: '' },
        json: { type: 'string' },
        seconds: { type: 'string', default: String(defaults.seconds) },
        windows: { type: 'string', default: String(defaults.windows) },
        rounds: { type: 'string', default: String(defaults.rounds) },
        node: { type: 'string', default: process.execPath },
        check: { type: 'boolean', default: false },
        all: { type: 'boolean', default: defaults.all },
        ...(defaults.quick !== undefined && { quick: { type: 'boolean', default: false } }),
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    console.error(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const positive = (/** @type {'seconds' | 'windows' | 'rounds'} */ option) => {
    const value = Number(values[option]);
    const valid = option === 'seconds' ? value > 0 : Number.isInteger(value) && value >= 1;
    if (valid && Number.isFinite(value)) return value;
    console.error(`--${option} is ${values[option]}, it must be a number above 0\n\n${usage}`);
    return process.exit(2);
  };
  return {
    filter: values.filter,
    json: values.json,
    node: values.node,
    check: values.check,
    all: values.all,
    quick: values.quick ?? false,
    seconds: positive('seconds'),
    windows: positive('windows'),
    rounds: positive('rounds'),
  };
}
