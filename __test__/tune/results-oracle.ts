/** The plainest way to what results are compared with. */

import type { Mode } from '../../bindings/typescript/src/tune/types.ts';

/** The places of the points that no other point dominates, by comparing all pairs. */
export function undominated(
  points: readonly (readonly number[])[],
  modes: readonly Mode[],
): number[] {
  const isDominated = (point: readonly number[]): boolean =>
    points.some((other) => {
      const gains = other.map((value, place) =>
        modes[place] === 'min' ? point[place]! - value : value - point[place]!,
      );
      return gains.every((gain) => gain >= 0) && gains.some((gain) => gain > 0);
    });
  return points.flatMap((point, place) => (isDominated(point) ? [] : [place]));
}

/** Reads CSV as RFC 4180 defines it. */
export function parseCsv(csv: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < csv.length) {
    let cell = '';
    if (csv[at] === '"') {
      at++;
      for (;;) {
        const close = csv.indexOf('"', at);
        if (close === -1) throw new Error('a quote is not closed');
        cell += csv.slice(at, close);
        at = close + 1;
        if (csv[at] !== '"') break;
        cell += '"';
        at++;
      }
    } else {
      const length = csv.slice(at).search(/[,\r\n]/);
      if (length === -1) throw new Error('the last line is not ended');
      cell = csv.slice(at, at + length);
      if (cell.includes('"')) throw new Error('a quote in a cell without quotes');
      at += length;
    }
    row.push(cell);
    if (csv.startsWith('\r\n', at)) {
      rows.push(row);
      row = [];
      at += 2;
    } else if (csv[at] === ',') {
      at++;
    } else {
      throw new Error(`unexpected ${JSON.stringify(csv[at])}`);
    }
  }
  return rows;
}
