/** The axis of the metric that the reader has chosen: the same in all charts. */

import { axis } from '../drawing.ts';
import { formatNumber, shortened } from '../format.ts';
import type { Theme } from '../theme.ts';
import type { View } from '../view.ts';
import { metricOf } from '../view.ts';

export function measureAxis(view: View, theme: Theme, more: object = {}): object {
  return {
    ...valueAxis(theme, '', view.isLog),
    // On top of it: written along the axis it would take width that small screens don't have.
    name: shortened(metricOf(view).name, 32),
    nameLocation: 'end',
    nameGap: 8,
    nameTextStyle: { color: theme.quiet, fontSize: 12, align: 'left', padding: [0, 0, 0, -4] },
    ...more,
  };
}

/** An axis of numbers, as wide as they are. */
export function valueAxis(theme: Theme, name: string, isLog: boolean, more: object = {}): object {
  return axis(theme, name, {
    type: isLog ? 'log' : 'value',
    scale: true,
    splitNumber: 4,
    axisLabel: {
      color: theme.quiet,
      fontSize: 11,
      hideOverlap: true,
      formatter: (value: number) => formatNumber(Number(value.toPrecision(6))),
    },
    ...more,
  });
}
