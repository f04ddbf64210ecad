/** Each trial's value by number, and the best so far. */

import { tooltip } from '../dom.ts';
import type { Chart } from '../drawing.ts';
import { axis, chart, grid, tooltipOf, zoomed } from '../drawing.ts';
import { formatNumber } from '../format.ts';
import type { View } from '../view.ts';
import { chartValues, metricOf, shownValue, trialEntries } from '../view.ts';
import { measureAxis } from './measure-axis.ts';

export function historyChart(view: View): Chart {
  return chart('history', 'The value of each trial by its number, and the best so far', (theme) => {
    const { data } = view;
    const { trials } = data;
    const values = chartValues(view);
    const rows = [...values.keys()].filter((row) => values[row] !== null);
    const isStopped = (row: number) => trials.stopReason[row] === 2;
    const best = data.best[view.metric] ?? null;
    const steps = stepsOf(view, Math.max(...trials.number, 0));
    const last = best?.values.length ?? 0;
    const points = rows.map((row) => ({
      value: [trials.number[row]!, values[row]!],
      itemStyle: {
        color: isStopped(row) || !trials.feasible[row] ? 'transparent' : theme.muted,
        borderColor: theme.muted,
      },
    }));
    return {
      heightPx: 300,
      points: rows.length,
      option: {
        grid: grid({ top: 30, bottom: 22 }),
        dataZoom: [zoomed({ xAxisIndex: 0 })],
        xAxis: axis(theme, 'trial', {
          type: 'value',
          min: 'dataMin',
          max: 'dataMax',
          nameGap: 24,
          splitLine: { show: false },
          minInterval: 1,
        }),
        yAxis: measureAxis(view, theme),
        tooltip: tooltipOf(theme, ({ dataIndex, seriesIndex }) => {
          if (seriesIndex !== 0) {
            return tooltip(`trial ${best!.numbers[last - 1]}`, [
              [`best ${metricOf(view).name}`, formatNumber(best!.values[last - 1])],
            ]);
          }
          const row = rows[dataIndex]!;
          return tooltip(`trial ${trials.id[row]}`, trialEntries(view, row));
        }),
        series: [
          {
            type: 'scatter',
            data: points,
            symbolSize: rows.length > 2000 ? 4 : 6,
            itemStyle: { borderWidth: 1.2 },
          },
          {
            type: 'line',
            data: steps,
            step: 'end',
            symbol: 'none',
            silent: true,
            lineStyle: { color: theme.best, width: 2 },
          },
          {
            type: 'scatter',
            data: steps.length === 0 ? [] : [[best!.numbers[last - 1], best!.values[last - 1]]],
            symbolSize: 11,
            z: 5,
            itemStyle: { color: theme.best, borderColor: theme.surface, borderWidth: 2 },
          },
        ],
      },
    };
  });
}

/** The corners of the best so far, up to the last trial. */
function stepsOf(view: View, lastNumber: number): [number, number][] {
  const best = view.data.best[view.metric] ?? null;
  if (best === null) return [];
  const steps = best.numbers
    .map((number, place): [number, number] => [number, best.values[place]!])
    .filter(([, value]) => shownValue(view, value) !== null);
  const end = steps.at(-1);
  return end === undefined ? [] : [...steps, [lastNumber, end[1]]];
}
