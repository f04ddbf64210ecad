/** When each trial ran: bars in as few lanes as there were trials at once. */

import { tooltip } from '../dom.ts';
import type { Chart } from '../drawing.ts';
import { axis, chart, grid, tooltipOf, zoomed } from '../drawing.ts';
import { formatDuration } from '../format.ts';
import { STATUSES, STOP_REASONS } from '../../src/tune/outputs/report/page-data.ts';
import type { Theme } from '../theme.ts';
import type { View } from '../view.ts';
import { trialEntries } from '../view.ts';

/** What the library gives to whoever draws an item of a series by hand. */
interface Drawer {
  value(dimension: number): number;
  coord(point: readonly [number, number]): [number, number];
  size(extent: readonly [number, number]): [number, number];
}

export interface Lane {
  readonly row: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly lane: number;
}

export function timelineChart(view: View): Chart {
  const lanes = lanesOf(view);
  const count = Math.max(0, ...lanes.map(({ lane }) => lane + 1));
  return chart('timeline', 'When each trial ran', (theme) => {
    const { trials } = view.data;
    const heightPx = Math.min(420, Math.max(110, 56 + count * 20));
    return {
      heightPx,
      points: lanes.length,
      option: {
        grid: grid({ top: 8, bottom: 22, left: 8 }),
        dataZoom: [zoomed({ xAxisIndex: 0, filterMode: 'none' })],
        xAxis: axis(theme, 'since the beginning', {
          type: 'value',
          min: 0,
          max: Math.max(view.data.totals.elapsedMs, 1),
          nameGap: 24,
          axisLabel: {
            color: theme.quiet,
            fontSize: 11,
            hideOverlap: true,
            formatter: (milliseconds: number) => formatDuration(milliseconds),
          },
        }),
        yAxis: axis(theme, '', {
          type: 'value',
          min: 0,
          max: Math.max(count, 1),
          inverse: true,
          axisLabel: { show: false },
          splitLine: { show: false },
        }),
        tooltip: tooltipOf(theme, ({ dataIndex }) => {
          const { row } = lanes[dataIndex]!;
          return tooltip(`trial ${trials.id[row]}`, trialEntries(view, row));
        }),
        series: [
          {
            type: 'custom',
            clip: true,
            encode: { x: [0, 1], y: 2 },
            data: lanes.map(({ fromMs, lane, row, toMs }) => [fromMs, toMs, lane, row]),
            renderItem: (_: unknown, api: Drawer) => {
              const [x, y] = api.coord([api.value(0), api.value(2)]);
              const [end] = api.coord([api.value(1), api.value(2)]);
              const heightOfLane = api.size([0, 1])[1];
              const gap = Math.min(3, heightOfLane * 0.2);
              return {
                type: 'rect',
                shape: {
                  x,
                  y: y + gap / 2,
                  width: Math.max(1, end - x - 1),
                  height: Math.max(1, heightOfLane - gap),
                  r: 2,
                },
                style: { fill: colorOf(view, theme, api.value(3)), opacity: 0.85 },
              };
            },
          },
        ],
      },
    };
  });
}

/** As the legend says. */
function colorOf({ data: { trials } }: View, theme: Theme, row: number): string {
  const status = STATUSES[trials.status[row]!];
  if (status === 'ERROR') return theme.bad;
  if (status !== 'TERMINATED') return theme.warn;
  return STOP_REASONS[trials.stopReason[row]!] === 'scheduler' ? theme.muted : theme.accent;
}

/** Each trial in the first lane that is free when it begins. */
export function lanesOf({ data }: View): Lane[] {
  const { endedMs, number, startedMs } = data.trials;
  const rows = [...number.keys()]
    .filter((row) => startedMs[row] !== null)
    .sort((one, other) => startedMs[one]! - startedMs[other]!);
  const freeFrom: number[] = [];
  return rows.map((row) => {
    const fromMs = startedMs[row]!;
    const toMs = Math.max(fromMs, endedMs[row] ?? data.totals.elapsedMs);
    const free = freeFrom.findIndex((time) => time <= fromMs);
    const lane = free === -1 ? freeFrom.length : free;
    freeFrom[lane] = toMs;
    return { row, fromMs, toMs, lane };
  });
}
