/**
 * What the command line asks for. Arguments are taken apart by Node's own `util.parseArgs`: four commands with a handful of
 * options need no more, and the package has no dependencies.
 */

import { parseArgs, type ParseArgsConfig } from 'node:util';

/** An output that can be made again. */
export type OutputKind = 'csv' | 'jsonl' | 'tensorboard' | 'html';

/** What is to be done. */
export type Command =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'ls'; readonly folder: string; readonly json: boolean }
  | {
      readonly kind: 'results';
      readonly path: string;
      /** A column, as it was written; undefined: the best first. */
      readonly sort: string | undefined;
      readonly descending: boolean;
      readonly limit: number;
      readonly format: 'table' | 'json' | 'csv';
    }
  | { readonly kind: 'export'; readonly path: string; readonly outputs: readonly OutputKind[] };

/** The arguments are not understood. The message is one line. */
export class UsageError extends Error {
  static {
    // On the prototype, as the built-in errors have it.
    Object.defineProperty(this.prototype, 'name', { value: 'UsageError', configurable: true });
  }
}

/** Where experiments are unless a Tuner is told something else. */
export const FOLDER_DEFAULT = './eagleray_results';

const HELP = `Looks at experiments of eagleray/tune.

  eagleray tune ls [FOLDER]        the experiments in a folder
  eagleray tune results PATH       the trials of an experiment
  eagleray tune export PATH …      writes its outputs again
  eagleray tune report PATH        writes its report.html and prints where

"eagleray tune COMMAND --help" has the options of a command. PATH is the folder of an experiment, which may still run.
The exit code is 0, 1 if something failed, 2 for wrong arguments.
`;

const LS_HELP = `eagleray tune ls [FOLDER] [--json]

Lists the experiments in FOLDER (${FOLDER_DEFAULT} if it is left out), the latest last: how many trials they have, how
these stand, and the best one.

  --json             as JSON, for programs
`;

const RESULTS_HELP = `eagleray tune results PATH [--sort COLUMN] [--descending] [--limit N] [--json | --csv]

Prints the trials of an experiment: the best first if it has one metric, else by number.

  --sort COLUMN      by a metric, a parameter (config.lr, or lr) or another column; what has no value comes last
  --descending       the other way round
  --limit N          the first N only
  --json             all columns as JSON, for programs; what is no number in JSON is null
  --csv              all columns as CSV
`;

const EXPORT_HELP = `eagleray tune export PATH [--csv] [--jsonl] [--tensorboard] [--html]

Makes outputs from the journal of an experiment, in its folder, and prints where.

  --csv              results.csv: a row for each trial
  --jsonl            reports.jsonl: a line for each report
  --tensorboard      event files for TensorBoard
  --html             report.html
`;

const REPORT_HELP = `eagleray tune report PATH

Writes report.html into the folder of an experiment, and prints where. It needs no other file and no network.
`;

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Command>> = {
  ls: lsCommand,
  results: resultsCommand,
  export: exportCommand,
  report: reportCommand,
};

/** What arguments ask for. @throws UsageError */
export function commandOf(args: readonly string[]): Command {
  const [name, ...rest] = args;
  if (name === undefined) throw new UsageError(`no command is given; there are ${names()}`);
  if (name === '--help' || name === '-h' || name === 'help') return { kind: 'help', text: HELP };
  if (!Object.hasOwn(COMMANDS, name)) {
    throw new UsageError(`there is no command ${JSON.stringify(name)}; there are ${names()}`);
  }
  return COMMANDS[name]!(rest);
}

function lsCommand(args: readonly string[]): Command {
  const { values, positionals } = parsed(args, { json: { type: 'boolean' } });
  if (values['help'] === true) return { kind: 'help', text: LS_HELP };
  const [folder = FOLDER_DEFAULT, extra] = positionals;
  if (extra !== undefined)
    throw new UsageError(`ls takes one folder, not ${JSON.stringify(extra)} too`);
  return { kind: 'ls', folder, json: values['json'] === true };
}

function resultsCommand(args: readonly string[]): Command {
  const { values, positionals } = parsed(args, {
    sort: { type: 'string' },
    descending: { type: 'boolean' },
    limit: { type: 'string' },
    json: { type: 'boolean' },
    csv: { type: 'boolean' },
  });
  if (values['help'] === true) return { kind: 'help', text: RESULTS_HELP };
  const { sort, limit, json, csv } = values;
  if (json === true && csv === true) throw new UsageError('--json and --csv exclude each other');
  return {
    kind: 'results',
    path: pathOf('results', positionals),
    sort: typeof sort === 'string' ? sort : undefined,
    descending: values['descending'] === true,
    limit: typeof limit === 'string' ? limitOf(limit) : Infinity,
    format: json === true ? 'json' : csv === true ? 'csv' : 'table',
  };
}

function exportCommand(args: readonly string[]): Command {
  const kinds: readonly OutputKind[] = ['csv', 'jsonl', 'tensorboard', 'html'];
  const { values, positionals } = parsed(
    args,
    Object.fromEntries(kinds.map((kind) => [kind, { type: 'boolean' }])),
  );
  if (values['help'] === true) return { kind: 'help', text: EXPORT_HELP };
  const path = pathOf('export', positionals);
  const outputs = kinds.filter((kind) => values[kind] === true);
  if (outputs.length === 0) {
    throw new UsageError(
      `export needs at least one of ${kinds.map((kind) => `--${kind}`).join(', ')}`,
    );
  }
  return { kind: 'export', path, outputs };
}

function reportCommand(args: readonly string[]): Command {
  const { values, positionals } = parsed(args, {});
  if (values['help'] === true) return { kind: 'help', text: REPORT_HELP };
  return { kind: 'export', path: pathOf('report', positionals), outputs: ['html'] };
}

type Options = NonNullable<ParseArgsConfig['options']>;

function parsed(
  args: readonly string[],
  options: Options,
): { values: Record<string, unknown>; positionals: string[] } {
  try {
    return parseArgs({
      args: [...args],
      options: { ...options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('ERR_PARSE_ARGS_') !== true) throw error;
    // Node adds advice for the authors of programs.
    throw new UsageError(message.split('. ')[0]!);
  }
}

function pathOf(command: string, positionals: readonly string[]): string {
  const [path, extra] = positionals;
  if (path === undefined) throw new UsageError(`${command} needs the folder of an experiment`);
  if (extra !== undefined) {
    throw new UsageError(`${command} takes one folder, not ${JSON.stringify(extra)} too`);
  }
  return path;
}

function limitOf(given: string): number {
  if (!/^\d+$/.test(given) || Number(given) === 0) {
    throw new UsageError(
      `--limit is ${JSON.stringify(given)}; it has to be a whole number from 1 up`,
    );
  }
  return Number(given);
}

function names(): string {
  return Object.keys(COMMANDS).join(', ');
}
