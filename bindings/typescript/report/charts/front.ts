/** Two metrics against each other, and the trials that none is better than in all of them. */

import { tooltip } from '../dom.ts';
import type { Chart } from '../drawing.ts';
import { chart, grid, tooltipOf } from '../drawing.ts';
import { shortened } from '../format.ts';
import type { View } from '../view.ts';
import { trialEntries } from '../view.ts';
import { valueAxis } from './measure-axis.ts';

/** The places of the two metrics. */
export interface FrontAxes {
  x: number;
  y: number;
}

export function frontChart(view: View, axes: FrontAxes): Chart {
  return chart('front', 'Trials by two metrics, with those that none is better than', (theme) => {
    const { front, metrics, trials } = view.data;
    const inFront = new Set(front);
    const at = (row: number) => [trials.metrics[axes.x]![row], trials.metrics[axes.y]![row]];
    const rows = trials.number
      .map((_, row) => row)
      .filter((row) => at(row).every((value) => typeof value === 'number'));
    const others = rows.filter((row) => !inFront.has(trials.number[row]!));
    const best = rows
      .filter((row) => inFront.has(trials.number[row]!))
      .sort((one, other) => Number(at(one)[0]) - Number(at(other)[0]));
    // With three metrics the front is a surface: its points joined by a line would be a scribble.
    const isLine = metrics.filter(({ mode }) => mode !== null).length === 2;
    return {
      heightPx: 320,
      points: rows.length,
      option: {
        grid: grid({ top: 30, bottom: 22 }),
        xAxis: valueAxis(theme, shortened(metrics[axes.x]!.name, 32), false, {
          nameGap: 24,
          splitLine: { show: false },
        }),
        yAxis: valueAxis(theme, shortened(metrics[axes.y]!.name, 32), false, {
          nameLocation: 'end',
          nameGap: 8,
          nameTextStyle: { color: theme.quiet, fontSize: 12, align: 'left' },
        }),
        tooltip: tooltipOf(theme, ({ dataIndex, seriesIndex }) => {
          const row = (seriesIndex === 0 ? others : best)[dataIndex]!;
          return tooltip(`trial ${trials.id[row]}`, trialEntries(view, row));
        }),
        series: [
          {
            type: 'scatter',
            data: others.map(at),
            symbolSize: 6,
            itemStyle: { color: theme.muted, opacity: 0.8 },
          },
          {
            type: isLine ? 'line' : 'scatter',
            data: best.map(at),
            symbol: 'circle',
            symbolSize: 9,
            showAllSymbol: true,
            z: 5,
            lineStyle: { color: theme.best, width: 1.5 },
            itemStyle: { color: theme.best, borderColor: theme.surface, borderWidth: 1.5 },
          },
        ],
      },
    };
  });
}
