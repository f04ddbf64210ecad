/** Configs as lines over one axis for each parameter, and the metric as the last one; the better, the stronger the colour. */

import type { PageParameter } from '../../src/tune/outputs/report/page-data.ts';
import { tooltip } from '../dom.ts';
import type { Chart } from '../drawing.ts';
import { chart, tooltipOf } from '../drawing.ts';
import { formatNumber, shortened } from '../format.ts';
import type { Theme } from '../theme.ts';
import { mixed } from '../theme.ts';
import type { View } from '../view.ts';
import { metricOf, rankedRows, trialEntries } from '../view.ts';

/** More axes than this can't be told apart. */
const AXES_MAX = 14;
/** More lines than this are an area. */
export const LINES_MAX = 500;
const BEST_LINES = 60;
/** With less width axes lie below each other. */
const UPRIGHT_WIDTH_PX = 620;

export function parallelChart(view: View): Chart {
  return chart('parallel', 'Configs of trials as lines over their parameters', (theme, widthPx) => {
    const { data } = view;
    const shown = data.parameters.slice(0, AXES_MAX);
    const rows = drawnRows(rankedRows(view));
    const values = data.trials.metrics[view.metric] ?? [];
    const best = data.bestNumbers[view.metric] ?? null;
    const isUpright = widthPx >= UPRIGHT_WIDTH_PX;
    const lines = rows.map((row, rank) => ({
      value: [
        ...shown.map((_, place) => data.trials.values[place]![row] ?? Number.NaN),
        values[row],
      ],
      lineStyle:
        data.trials.number[row] === best
          ? { color: theme.best, width: 2.5, opacity: 1 }
          : lineStyle(theme, rank, rows.length),
    }));
    const axes: Axis[] = [...shown, { labels: null, log: view.isLog, name: metricOf(view).name }];
    return {
      heightPx: isUpright ? 340 : 40 + axes.length * 62,
      points: rows.length,
      option: {
        parallel: {
          layout: isUpright ? 'horizontal' : 'vertical',
          left: isUpright ? 44 : 16,
          right: isUpright ? 56 : 16,
          top: isUpright ? 40 : 30,
          bottom: isUpright ? 20 : 24,
        },
        parallelAxis: axes.map((each, dim) =>
          parallelAxis(theme, each, dim, isUpright, isUpright ? widthPx / axes.length : widthPx),
        ),
        tooltip: tooltipOf(theme, ({ dataIndex }) => {
          const row = rows[dataIndex]!;
          return tooltip(`trial ${data.trials.id[row]}`, trialEntries(view, row));
        }),
        series: [
          {
            type: 'parallel',
            data: lines,
            smooth: false,
            progressive: 500,
            inactiveOpacity: 0.04,
            emphasis: { lineStyle: { color: theme.best, width: 2.5, opacity: 1 } },
          },
        ],
      },
    };
  });
}

type Axis = Pick<PageParameter, 'labels' | 'log' | 'name'>;

function parallelAxis(
  theme: Theme,
  { labels, log, name }: Axis,
  dim: number,
  isUpright: boolean,
  widthPx: number,
): object {
  const beside = { align: 'left', verticalAlign: 'bottom', padding: [1, 3, 8, 0] };
  const labelPx = isUpright ? 88 : Math.floor((widthPx - 40) / Math.max(1, labels?.length ?? 1));
  const numbers = {
    type: log ? 'log' : 'value',
    scale: true,
    splitNumber: 4,
  };
  return {
    dim,
    name: shortened(name, Math.floor(widthPx / 8)),
    nameLocation: isUpright ? 'end' : 'start',
    nameGap: isUpright ? 14 : 10,
    nameTextStyle: {
      color: theme.text,
      fontSize: 12,
      textBorderColor: theme.surface,
      textBorderWidth: 4,
      ...(isUpright ? {} : beside),
    },
    axisLine: { lineStyle: { color: theme.faint } },
    axisTick: { lineStyle: { color: theme.faint }, length: 4 },
    axisLabel: {
      color: theme.quiet,
      fontSize: 11,
      hideOverlap: true,
      // Lines run behind the labels.
      textBorderColor: theme.surface,
      textBorderWidth: 4,
      ...(labels === null
        ? { formatter: (value: number) => formatNumber(Number(value.toPrecision(6))) }
        : { width: labelPx - 6, overflow: 'truncate', hideOverlap: labels.length > 8 }),
    },
    areaSelectStyle: { color: theme.accent, opacity: 0.2, borderColor: theme.accent },
    ...(labels === null ? numbers : { type: 'category', data: [...labels] }),
  };
}

/** All of a few; of many every n-th, and the best ones. From the worst to the best, as they came. */
function drawnRows(ranked: readonly number[]): number[] {
  if (ranked.length <= LINES_MAX) return [...ranked];
  const bestFrom = ranked.length - BEST_LINES;
  const every = Math.ceil(bestFrom / (LINES_MAX - BEST_LINES));
  return ranked.filter((_, place) => place >= bestFrom || place % every === 0);
}

/** Most lines are of no interest: colour comes with the last fifth. */
function lineStyle(theme: Theme, rank: number, count: number) {
  const share = count < 2 ? 1 : rank / (count - 1);
  const crowd = Math.min(1, 60 / Math.max(1, count));
  return {
    color: mixed(theme.rampLow, theme.rampHigh, share ** 4),
    width: 1.2,
    opacity: Math.max(0.12, crowd) + (0.9 - Math.max(0.12, crowd)) * share ** 4,
  };
}
