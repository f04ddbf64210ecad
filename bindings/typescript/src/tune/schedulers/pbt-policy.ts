/**
 * The files `pbt_policy_<id>.txt`: how a trial of population based training came to its config. Ray's lines.
 *
 * - PP-1 A line is a JSON array: id of the trial, id of the one whose state it took over, iteration of both, config of the other one,
 *   new config.
 * - PP-2 Whoever takes over a state takes over its lines as well, and adds one: a file is the whole lineage.
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { JournalError, StorageError } from '../errors.ts';

/** A trial has taken over another one's state. */
export interface Exploit {
  readonly id: string;
  readonly sourceId: string;
  readonly iteration: number;
  readonly sourceIteration: number;
  /** Configs are data here, as they are in a journal: what is no JSON is in them as text. */
  readonly sourceConfig: unknown;
  readonly config: unknown;
}

/** The files of an experiment. */
export class PolicyFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** PP-2. @throws StorageError */
  record(exploit: Exploit): void {
    const text = taken((id) => this.#textOf(id), exploit);
    this.#write(exploit.id, text);
  }

  /** The files as they are after all these exploits, of which some may not have been written. @throws StorageError */
  makeAgain(exploits: Iterable<Exploit>): void {
    const texts = new Map<string, string>();
    for (const exploit of exploits) {
      texts.set(
        exploit.id,
        taken((id) => texts.get(id), exploit),
      );
    }
    for (const [id, text] of texts) if (this.#textOf(id) !== text) this.#write(id, text);
  }

  #write(id: string, text: string): void {
    const path = this.#pathOf(id);
    const beside = `${path}.partial`;
    try {
      writeFileSync(beside, text);
      renameSync(beside, path);
    } catch (error) {
      throw failed(path, 'written', error);
    }
  }

  #pathOf(id: string): string {
    return join(this.#folder, `pbt_policy_${id}.txt`);
  }

  #textOf(id: string): string | undefined {
    const path = this.#pathOf(id);
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw failed(path, 'read', error);
    }
  }
}

function failed(path: string, what: 'written' | 'read', cause: unknown): StorageError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StorageError(`${path} could not be ${what}: ${reason}`, { path }, { cause });
}

/** PP-2. Without lines of the source, a trial keeps its own: the reader sees where the chain breaks. */
function taken(textOf: (id: string) => string | undefined, exploit: Exploit): string {
  const before = textOf(exploit.sourceId) ?? textOf(exploit.id) ?? '';
  return `${before}${lineOf(exploit)}\n`;
}

function lineOf({ id, sourceId, iteration, sourceIteration, ...configs }: Exploit): string {
  const { sourceConfig, config } = configs;
  return JSON.stringify([id, sourceId, iteration, sourceIteration, sourceConfig, config]);
}

/** The configs of a lineage. */
export interface Policy {
  readonly firstConfig: unknown;
  /** In order: from which iteration on which config. */
  readonly changes: readonly { readonly iteration: number; readonly config: unknown }[];
}

/** Reads such a file, Ray's too. Undefined if it has no lines. @throws JournalError for what is none */
export function parsePolicy(text: string, path: string): Policy | undefined {
  const exploits = text.split(/\r?\n/).flatMap((line, at) => {
    return line.trim() === '' ? [] : [parseLine(line, path, at + 1)];
  });
  const lineage: Exploit[] = [];
  for (const exploit of exploits.toReversed()) {
    // What stands before a break was overwritten by what came after it.
    const later = lineage[0];
    if (later !== undefined && later.sourceId !== exploit.id) break;
    lineage.unshift(exploit);
  }
  const first = lineage[0];
  if (first === undefined) return undefined;
  return {
    firstConfig: first.sourceConfig,
    changes: lineage.map(({ sourceIteration: iteration, config }) => ({ iteration, config })),
  };
}

function parseLine(line: string, path: string, number: number): Exploit {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch (error) {
    throw unreadable(path, number, { cause: error });
  }
  if (!Array.isArray(fields) || fields.length !== 6) throw unreadable(path, number);
  const [id, sourceId, iteration, sourceIteration, sourceConfig, config] = fields as unknown[];
  const isLine =
    typeof id === 'string' &&
    typeof sourceId === 'string' &&
    Number.isInteger(iteration) &&
    Number.isInteger(sourceIteration) &&
    isObject(sourceConfig) &&
    isObject(config);
  if (!isLine) throw unreadable(path, number);
  return {
    id,
    sourceId,
    iteration: iteration as number,
    sourceIteration: sourceIteration as number,
    sourceConfig,
    config,
  };
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unreadable(path: string, line: number, options?: ErrorOptions): JournalError {
  return new JournalError(
    `${path}, line ${line}: this is no line of a policy of population based training`,
    { path, line },
    options,
  );
}
