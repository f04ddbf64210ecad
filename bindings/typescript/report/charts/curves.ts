/** The reports of trials: the metric by iteration. */

import { tooltip } from '../dom.ts';
import type { Chart } from '../drawing.ts';
import { axis, chart, grid, tooltipOf, zoomed } from '../drawing.ts';
import { formatCount } from '../format.ts';
import type { View } from '../view.ts';
import { shownValue, trialEntries } from '../view.ts';
import { measureAxis } from './measure-axis.ts';

export function curvesChart(view: View): Chart {
  return chart('curves', 'Values reported by trials, by iteration', (theme) => {
    const { data } = view;
    const curves = data.curves[view.metric] ?? [];
    const best = data.bestNumbers[view.metric] ?? null;
    const rows = new Map(data.trials.number.map((number, row) => [number, row]));
    const isMany = curves.length > 40;
    return {
      heightPx: 300,
      points: curves.length,
      option: {
        grid: grid({ top: 30, bottom: 22 }),
        dataZoom: [zoomed({ xAxisIndex: 0 })],
        xAxis: axis(theme, 'iteration', {
          type: 'value',
          min: 'dataMin',
          max: 'dataMax',
          minInterval: 1,
          nameGap: 24,
          splitLine: { show: false },
        }),
        yAxis: measureAxis(view, theme),
        tooltip: tooltipOf(theme, ({ seriesIndex }) => {
          const { iterations, number } = curves[seriesIndex]!;
          const row = rows.get(number);
          const entries: [string, string][] =
            row === undefined
              ? [['iterations', formatCount(iterations.at(-1) ?? 0)]]
              : trialEntries(view, row);
          return tooltip(`trial ${number}`, entries);
        }),
        series: curves.map(({ iterations, number, values }) => ({
          type: 'line',
          data: iterations.map((iteration, place) => [
            iteration,
            shownValue(view, values[place] ?? null),
          ]),
          symbol: 'circle',
          symbolSize: 4,
          showSymbol: iterations.length === 1,
          triggerLineEvent: true,
          z: number === best ? 5 : 2,
          lineStyle:
            number === best
              ? { color: theme.best, width: 2.5 }
              : { color: theme.muted, width: 1.2, opacity: isMany ? 0.55 : 0.85 },
          itemStyle: { color: number === best ? theme.best : theme.muted },
          emphasis: { lineStyle: { color: theme.accent, width: 2.5, opacity: 1 } },
        })),
      },
    };
  });
}
