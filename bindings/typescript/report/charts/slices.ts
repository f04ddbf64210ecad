/** The metric by each parameter alone. */

import { tooltip } from '../dom.ts';
import type { Chart } from '../drawing.ts';
import { axis, chart, grid, tooltipOf } from '../drawing.ts';
import { shortened } from '../format.ts';
import type { View } from '../view.ts';
import { chartValues, trialEntries } from '../view.ts';
import { measureAxis, valueAxis } from './measure-axis.ts';

/** Points of one slice; of more, every n-th is drawn. */
export const SLICE_POINTS_MAX = 1500;
export const SLICES_MAX = 12;

export function sliceChart(view: View, place: number): Chart {
  const { labels, log, name } = view.data.parameters[place]!;
  return chart('slice', `The metric by ${name}`, (theme) => {
    const { trials } = view.data;
    const measured = chartValues(view);
    const values = trials.values[place]!;
    const all = [...measured.keys()].filter(
      (row) => measured[row] !== null && (values[row] ?? null) !== null,
    );
    const every = Math.ceil(all.length / SLICE_POINTS_MAX);
    const best = view.data.bestNumbers[view.metric] ?? null;
    const rows = all.filter((row, index) => index % every === 0 || trials.number[row] === best);
    const isCategory = labels !== null;
    const points = rows.map((row) => {
      const isBest = trials.number[row] === best;
      return {
        value: [isCategory ? values[row]! + spreadOf(row) : values[row]!, measured[row]!],
        symbolSize: isBest ? 10 : 5,
        itemStyle: {
          color: isBest ? theme.best : theme.accent,
          opacity: isBest ? 1 : rows.length > 300 ? 0.3 : 0.55,
        },
      };
    });
    const title = shortened(name, 34);
    return {
      heightPx: 200,
      points: rows.length,
      option: {
        grid: grid({ top: 12, bottom: 20 }),
        xAxis: isCategory
          ? // Numbers with the labels' texts, so that points of one label can lie beside each other.
            axis(theme, title, {
              type: 'value',
              min: -0.5,
              max: labels.length - 0.5,
              interval: 1,
              nameGap: 22,
              splitLine: { show: false },
              axisLabel: {
                color: theme.quiet,
                fontSize: 11,
                hideOverlap: true,
                customValues: labels.map((_, index) => index),
                formatter: (value: number) => shortened(labels[value] ?? '', 12),
              },
            })
          : valueAxis(theme, title, log, {
              nameGap: 22,
              splitNumber: 3,
              splitLine: { show: false },
            }),
        yAxis: measureAxis(view, theme, { name: '', splitNumber: 3 }),
        tooltip: tooltipOf(theme, ({ dataIndex }) => {
          const row = rows[dataIndex]!;
          return tooltip(`trial ${trials.id[row]}`, trialEntries(view, row));
        }),
        series: [{ type: 'scatter', data: points }],
      },
    };
  });
}

/** From -0.28 to 0.28, the same each time a row is drawn. */
function spreadOf(row: number): number {
  return (((row * 0.618_034) % 1) - 0.5) * 0.56;
}
