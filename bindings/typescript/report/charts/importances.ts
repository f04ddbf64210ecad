/** How much each parameter matters for the metric. */

import { tooltip } from '../dom.ts';
import type { Chart } from '../drawing.ts';
import { axis, chart, grid, tooltipOf } from '../drawing.ts';
import { shortened } from '../format.ts';
import type { View } from '../view.ts';

const BAR_PX = 26;

export function importancesChart(view: View): Chart {
  return chart('importances', 'How much each parameter matters', (theme, widthPx) => {
    const importances = view.data.importances?.[view.metric] ?? [];
    return {
      heightPx: 24 + importances.length * BAR_PX,
      points: importances.length,
      option: {
        grid: grid({ right: 52, top: 4 }),
        xAxis: axis(theme, '', {
          type: 'value',
          min: 0,
          axisLabel: { show: false },
          splitLine: { show: false },
        }),
        yAxis: axis(theme, '', {
          type: 'category',
          inverse: true,
          data: importances.map(({ name }) => shortened(name, widthPx < 450 ? 18 : 36)),
          axisLabel: { color: theme.text, fontSize: 12, interval: 0 },
        }),
        tooltip: tooltipOf(theme, ({ dataIndex }) => {
          const { importance, name } = importances[dataIndex]!;
          return tooltip(name, [['importance', percent(importance)]]);
        }),
        series: [
          {
            type: 'bar',
            data: importances.map(({ importance }) => importance),
            barWidth: 14,
            itemStyle: { color: theme.accent, borderRadius: [0, 3, 3, 0] },
            label: {
              show: true,
              position: 'right',
              color: theme.quiet,
              fontSize: 11.5,
              formatter: ({ dataIndex }: { dataIndex: number }) =>
                percent(importances[dataIndex]!.importance),
            },
          },
        ],
      },
    };
  });
}

function percent(share: number): string {
  const percents = share * 100;
  return `${percents < 10 ? percents.toFixed(1) : Math.round(percents)} %`;
}
