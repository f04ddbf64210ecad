/** How many trials came to each iteration at which a scheduler decided, and how many of them stayed there. */

import { tooltip } from '../dom.ts';
import type { Chart } from '../drawing.ts';
import { axis, chart, grid, tooltipOf } from '../drawing.ts';
import { formatCount } from '../format.ts';
import type { View } from '../view.ts';

export function rungsChart({ data }: View): Chart {
  const { rungs } = data;
  return chart('rungs', 'Trials that reached each rung, and that went on', (theme) => ({
    heightPx: 260,
    points: rungs.length,
    option: {
      grid: grid({ top: 14, bottom: 22 }),
      xAxis: axis(theme, 'iteration', {
        type: 'category',
        nameGap: 24,
        data: rungs.map(({ iteration }) => formatCount(iteration)),
        splitLine: { show: false },
      }),
      yAxis: axis(theme, '', { type: 'value', minInterval: 1, splitNumber: 4 }),
      tooltip: tooltipOf(theme, ({ dataIndex }) => {
        const { iteration, reached, stopped } = rungs[dataIndex]!;
        return tooltip(`iteration ${formatCount(iteration)}`, [
          ['came to it', formatCount(reached)],
          ['went on, or ended by themselves', formatCount(reached - stopped)],
          ['stopped or paused', formatCount(stopped)],
        ]);
      }),
      series: [
        {
          type: 'bar',
          stack: 'rung',
          barMaxWidth: 42,
          data: rungs.map(({ reached, stopped }) => reached - stopped),
          itemStyle: { color: theme.accent },
        },
        {
          type: 'bar',
          stack: 'rung',
          data: rungs.map(({ stopped }) => stopped),
          itemStyle: { color: theme.muted, borderRadius: [3, 3, 0, 0] },
        },
      ],
    },
  }));
}
