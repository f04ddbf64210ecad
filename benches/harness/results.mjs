// Collects what all sides measured, relates it, and prints it as a table and as JSON.
//
// 1. A ratio compares medians of one round with each other; the ratio shown is the median of the rounds. So what
//    changes on the machine between two rounds changes both sides.
// 2. A figure that somebody recorded elsewhere is shown, but no verdict on `must` rests on it.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { judge, timesBetter } from '../anchors.mjs';
import { median } from './measure.mjs';

/** What our own side is called in every table. */
export const OURS = 'eagleray';

/** The columns that are numbers. */
const FIGURES = new Set([2, 3, 4]);

const VERDICTS = { met: 'met', missed: 'MISSED', unknown: '?', none: '' };

/** @typedef {import('../anchors.mjs').Row} Row */

export class Results {
  /** @type {Map<string, Map<string, number[][]>>} by row id, then by side: a list of samples per round */
  #rounds = new Map();
  #details = {};
  #failures = [];

  /**
   * Adds what one process of `side` measured.
   *
   * @param {string} side `eagleray`, or the name of the other one
   * @param {import('./child.mjs').CaseResult} result
   */
  add(side, { rows, references = {}, details }) {
    for (const [id, samples] of Object.entries(rows)) this.#addSamples(id, side, samples);
    for (const [id, figures] of Object.entries(references)) {
      for (const [name, samples] of Object.entries(figures)) this.#addSamples(id, name, samples);
    }
    if (details) (this.#details[Object.keys(rows).at(-1)] ??= []).push({ side, ...details });
  }

  /** Notes that a case of `side` ended without a result. */
  fail(/** @type {string} */ side, /** @type {string} */ caseName, /** @type {Error} */ error) {
    this.#failures.push({ side, case: caseName, message: error.message });
  }

  get failures() {
    return this.#failures;
  }

  /**
   * What is known of a row: figures of every side, ratios, and the verdicts.
   *
   * @param {Row} row
   */
  summarise(row) {
    const sides = this.#rounds.get(row.id) ?? new Map();
    const ourRounds = sides.get(OURS);
    const figures = {};
    const ratios = {};
    for (const [side, rounds] of sides) {
      const samples = rounds.flat();
      figures[side] = {
        median: median(rounds.map(median)),
        lowest: Math.min(...samples),
        highest: Math.max(...samples),
        samples,
      };
      if (side !== OURS && ourRounds) ratios[side] = ratioOfRounds(row, ourRounds, rounds);
    }
    const ours = figures[OURS]?.median;
    return {
      id: row.id,
      work: row.work,
      unit: row.unit,
      better: row.better,
      figures,
      ratios,
      must: { targets: row.must, verdict: judge(row, row.must, ours, ratios) },
      should: { targets: row.should, verdict: judge(row, row.should, ours, ratios) },
      recorded: row.recorded,
      ...(row.note && { note: row.note }),
      ...(this.#details[row.id] && { details: this.#details[row.id] }),
    };
  }

  /** How many rows of `rows` miss their `must`. */
  missed(/** @type {Row[]} */ rows) {
    return rows.filter((row) => this.summarise(row).must.verdict === 'missed').length;
  }

  /**
   * Prints the rows that have a figure.
   *
   * @param {Row[]} rows
   */
  print(rows) {
    const lines = [['work', '', 'figure', 'lowest … highest', 'ours is', 'must', '', 'should', '']];
    for (const row of rows) {
      const summary = this.summarise(row);
      const sides = Object.entries(summary.figures);
      // Ours first, then the others, the best one first.
      sides.sort(([a], [b]) =>
        a === OURS ? -1 : b === OURS ? 1 : summary.ratios[a] - summary.ratios[b],
      );
      for (const [index, [side, figure]] of sides.entries()) {
        const isOurs = side === OURS;
        lines.push([
          index === 0 ? row.work : '',
          side,
          `${formatNumber(figure.median)} ${row.unit}`,
          figure.samples.length > 1
            ? `${formatNumber(figure.lowest)} … ${formatNumber(figure.highest)}`
            : '',
          isOurs || summary.ratios[side] === undefined
            ? ''
            : `${formatNumber(summary.ratios[side])} ×`,
          isOurs ? describeTargets(row, row.must) : '',
          isOurs ? VERDICTS[summary.must.verdict] : '',
          isOurs ? describeTargets(row, row.should) : '',
          isOurs ? VERDICTS[summary.should.verdict] : '',
        ]);
      }
    }
    printTable(lines, FIGURES);
    for (const { side, case: caseName, message } of this.#failures) {
      console.error(`\n${side}, ${caseName}: ${message}`);
    }
  }

  /**
   * Writes everything to `file`.
   *
   * @param {string} file
   * @param {Row[]} rows
   * @param {Record<string, unknown>} settings
   */
  writeJson(file, rows, settings) {
    const document = {
      measuredAt: new Date().toISOString(),
      machine: describeMachine(settings.node),
      settings,
      rows: rows
        .map((row) => this.summarise(row))
        .filter((summary) => Object.keys(summary.figures).length > 0),
      failures: this.#failures,
    };
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`);
  }

  #addSamples(id, side, samples) {
    const sides = this.#rounds.get(id) ?? new Map();
    this.#rounds.set(id, sides);
    sides.set(side, [...(sides.get(side) ?? []), samples]);
  }
}

/**
 * How many times better ours is: the median over the rounds. When one side ran fewer rounds than the other, the medians
 * of all rounds are compared instead.
 */
function ratioOfRounds(row, ourRounds, theirRounds) {
  if (ourRounds.length !== theirRounds.length) {
    return timesBetter(row, median(ourRounds.map(median)), median(theirRounds.map(median)));
  }
  return median(
    ourRounds.map((ours, round) => timesBetter(row, median(ours), median(theirRounds[round]))),
  );
}

function describeTargets(row, targets) {
  return targets
    .map(({ than, times, limit }) =>
      limit === undefined
        ? describeFactor(row, than, times)
        : `${row.better === 'higher' ? '≥' : '≤'} ${limit.toLocaleString('en-US')} ${row.unit}`,
    )
    .join(', ');
}

/** A factor below 1 of a time or a size is how much more than the other's ours may be. */
function describeFactor(
  /** @type {Row} */ row,
  /** @type {string} */ than,
  /** @type {number} */ times,
) {
  if (row.better === 'lower' && times < 1) return `≤ ${formatNumber(1 / times)} × ${than}`;
  return `≥ ${times} × ${than}`;
}

/** Three significant digits, with thousands apart. */
export function formatNumber(/** @type {number} */ value) {
  return Number(value.toPrecision(3)).toLocaleString('en-US', { maximumSignificantDigits: 3 });
}

/** Prints lines of as many cells each, the head first. */
export function printTable(/** @type {string[][]} */ lines, rightAligned = new Set()) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  for (const [index, line] of lines.entries()) {
    const cells = line.map((cell, column) =>
      rightAligned.has(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
    );
    console.log(cells.join('  ').trimEnd());
    if (index === 0) console.log(widths.map((width) => '─'.repeat(width)).join('  '));
  }
}

function describeMachine(/** @type {string} */ node) {
  return {
    cpu: cpus()[0]?.model,
    cpus: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: execFileSync(node, ['--version'], { encoding: 'utf8' }).trim(),
  };
}
