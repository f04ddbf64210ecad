/**
 * The program `eagleray`: the command line with the files, streams and exit code of a process. It reads and writes only when it is
 * told to, starts no runtime, and takes no lock: an experiment may run meanwhile.
 */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

import type { ExperimentRecord } from '../experiment/record.ts';
import { readExperiment } from '../journal/experiment-reader.ts';
import { isLocked } from '../journal/lock.ts';
import { outputPlace } from '../outputs/write-outputs.ts';
import { abilitiesOf, columnsFor } from '../reporters/terminal.ts';
import { writeOutputs } from '../tuner/experiment-folder.ts';
import { JOURNAL_FILE } from '../tuner/journal-file.ts';
import { main, type CommandHost, type ExitCode } from './main.ts';

const HELP = `Ray for TypeScript.

  eagleray tune COMMAND …   looks at experiments of eagleray/tune: ls, results, export, report

  --help                    this text; "eagleray tune --help" has the commands
  --version                 the version
`;

/** Does what a process was started for, and sets its exit code. */
export async function commandLine(program: NodeJS.Process, version: string): Promise<void> {
  const { stdout, stderr } = program;
  // Who reads only the beginning, as `head` does, has had what it wanted.
  for (const stream of [stdout, stderr]) stream.on('error', () => undefined);
  let isBroken = false;
  const writeTo = (stream: NodeJS.WriteStream) => (text: string) => {
    stream.write(text, (error) => {
      if (!error || (error as NodeJS.ErrnoException).code === 'EPIPE' || isBroken) return;
      isBroken = true;
      program.exitCode = 1;
      stderr.write(`eagleray: ${error.message}\n`);
    });
  };
  const { colours } = abilitiesOf(stdout, program.env);
  const exitCode = await run(program.argv.slice(2), version, {
    stdout: writeTo(stdout),
    stderr: writeTo(stderr),
    colours,
    width: stdout.isTTY ? columnsFor(stdout) : Infinity,
    load,
    list,
    write: async (output, _experiment, path) => {
      // From the file again: what an experiment that runs appends to is refused.
      await writeOutputs(path, [output]);
      return outputPlace(path, output);
    },
  });
  program.exitCode = isBroken ? 1 : exitCode;
}

async function run(
  [name, ...rest]: readonly string[],
  version: string,
  host: CommandHost,
): Promise<ExitCode> {
  switch (name) {
    case 'tune':
      return main(rest, host);
    case '--help':
    case '-h':
    case 'help':
      host.stdout(HELP);
      return 0;
    case '--version':
      host.stdout(`${version}\n`);
      return 0;
    case undefined:
      host.stderr('eagleray: no command is given; there is tune (--help has more)\n');
      return 2;
    default:
      host.stderr(
        `eagleray: there is no command ${JSON.stringify(name)}; there is tune (--help has more)\n`,
      );
      return 2;
  }
}

/** The experiment in a folder. @throws JournalError, and an Error that says what is wrong with the folder */
function load(path: string): ExperimentRecord {
  requireFolder(path);
  if (!isExperiment(path)) {
    throw new Error(`${path} is no folder of an experiment: there is no ${JOURNAL_FILE} in it`);
  }
  const journal = join(path, JOURNAL_FILE);
  // Asked first: who has ended by the time that the file is read has written how.
  const isRunning = isLocked(journal);
  const { experiment } = readExperiment(journal);
  // Nothing runs where nobody writes, whatever a process that was killed had begun.
  if (!isRunning) {
    for (const trial of experiment.trials) {
      if (trial.status === 'RUNNING') trial.status = 'PENDING';
    }
  }
  return experiment;
}

/** The folders of the experiments in a folder, itself included. */
function list(folder: string): string[] {
  requireFolder(folder);
  const inside = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map(({ name }) => join(folder, name));
  return [folder, ...inside].filter(isExperiment);
}

function isExperiment(path: string): boolean {
  return existsSync(join(path, JOURNAL_FILE));
}

function requireFolder(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new Error(`there is no folder ${path} (in ${resolve('.')})`);
  if (!found.isDirectory()) throw new Error(`${path} is no folder`);
}
