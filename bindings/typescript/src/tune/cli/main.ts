/**
 * The command line: `eagleray tune ls | results | export | report`. It decides what is done and printed; how experiments are
 * read and outputs written is given, so that it can be tried without files.
 */

import type { ExperimentRecord } from '../experiment/record.ts';
import { cleaned } from '../reporters/text-width.ts';
import { csvOfTable } from '../results/csv.ts';
import { commandOf, UsageError, type Command, type OutputKind } from './arguments.ts';
import {
  chosenRows,
  experimentsText,
  summaryOf,
  trialsText,
  type Listed,
  type Look,
} from './listings.ts';

/** What the command line needs of the world. */
export interface CommandHost extends Partial<Look> {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** The experiment of a folder. @throws JournalError and what the file system says */
  readonly load: (path: string) => ExperimentRecord | PromiseLike<ExperimentRecord>;
  /** The folders of the experiments in a folder, which itself may be one. */
  readonly list: (folder: string) => readonly string[] | PromiseLike<readonly string[]>;
  /** Writes an output into an experiment's folder: where it is now. */
  readonly write: (
    output: OutputKind,
    experiment: ExperimentRecord,
    path: string,
  ) => string | PromiseLike<string>;
}

/** What a program ends with: 0, 1 if something failed, 2 for wrong arguments. */
export type ExitCode = 0 | 1 | 2;

/** Does what the arguments after `eagleray tune` ask for. It never rejects: what fails is a line on standard error. */
export async function main(args: readonly string[], host: CommandHost): Promise<ExitCode> {
  try {
    return await run(commandOf(args), host);
  } catch (error) {
    const isUsage = error instanceof UsageError;
    const advice = isUsage ? ' (--help has more)' : '';
    host.stderr(`eagleray tune: ${messageOf(error)}${advice}\n`);
    return isUsage ? 2 : 1;
  }
}

async function run(command: Command, host: CommandHost): Promise<ExitCode> {
  switch (command.kind) {
    case 'help':
      host.stdout(command.text);
      return 0;
    case 'ls':
      return list(command, host);
    case 'results':
      return printResults(command, host);
    case 'export':
      return exportOutputs(command, host);
  }
}

async function list(
  { folder, json }: Extract<Command, { kind: 'ls' }>,
  host: CommandHost,
): Promise<ExitCode> {
  const experiments: Listed[] = [];
  let exitCode: ExitCode = 0;
  for (const path of await host.list(folder)) {
    try {
      experiments.push({ path, experiment: await host.load(path) });
    } catch (error) {
      // One that can't be read hides none of the others.
      host.stderr(`eagleray tune: ${cleaned(path)}: ${messageOf(error)}\n`);
      exitCode = 1;
    }
  }
  const summaries = experiments
    .map(summaryOf)
    .sort((one, other) => one.createdAt - other.createdAt || (one.name < other.name ? -1 : 1));
  if (json) host.stdout(`${JSON.stringify(summaries, null, 2)}\n`);
  else if (summaries.length > 0) host.stdout(experimentsText(summaries, lookOf(host)));
  else host.stderr(`eagleray tune: there are no experiments in ${cleaned(folder)}\n`);
  return exitCode;
}

async function printResults(
  command: Extract<Command, { kind: 'results' }>,
  host: CommandHost,
): Promise<ExitCode> {
  const experiment = await host.load(command.path);
  const table = chosenRows(experiment, command);
  if ('unknownColumn' in table) {
    const { unknownColumn, columns } = table;
    throw new UsageError(
      `--sort: there is no column ${JSON.stringify(unknownColumn)}; there are ${columns.join(', ')}`,
    );
  }
  switch (command.format) {
    case 'json':
      host.stdout(`${JSON.stringify(table.rows, null, 2)}\n`);
      break;
    case 'csv':
      host.stdout(csvOfTable(table));
      break;
    case 'table':
      host.stdout(trialsText({ path: command.path, experiment }, table, lookOf(host)));
      break;
  }
  return 0;
}

async function exportOutputs(
  { path, outputs }: Extract<Command, { kind: 'export' }>,
  host: CommandHost,
): Promise<ExitCode> {
  const experiment = await host.load(path);
  for (const output of outputs) host.stdout(`${await host.write(output, experiment, path)}\n`);
  return 0;
}

function lookOf({ width = Infinity, colours = false }: CommandHost): Look {
  return { width, colours };
}

/** What went wrong, in one line. */
function messageOf(error: unknown): string {
  return cleaned(error instanceof Error ? error.message || error.name : String(error));
}
