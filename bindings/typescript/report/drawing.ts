/**
 * The charting library as the page uses it: only the parts that are named here are in the bundle, and every chart is drawn, marked
 * and kept to its size here.
 *
 * - DR-1 An element with `data-chart` has `data-drawn="true"` once the library has drawn it, and `data-points` says how many things.
 */

import type { EChartsCoreOption } from 'echarts/core';
import { init, use } from 'echarts/core';
import { BarChart, CustomChart, LineChart, ParallelChart, ScatterChart } from 'echarts/charts';
import {
  DataZoomInsideComponent,
  GridComponent,
  ParallelComponent,
  TooltipComponent,
} from 'echarts/components';
import { CanvasRenderer } from 'echarts/renderers';

import { element } from './dom.ts';
import type { Theme } from './theme.ts';
import { currentTheme } from './theme.ts';

use([
  BarChart,
  CanvasRenderer,
  CustomChart,
  DataZoomInsideComponent,
  GridComponent,
  LineChart,
  ParallelChart,
  ParallelComponent,
  ScatterChart,
  TooltipComponent,
]);

/** What is drawn into one element. */
export interface Drawing {
  readonly option: EChartsCoreOption;
  readonly heightPx: number;
  /** How many points, lines or bars. */
  readonly points: number;
}

export interface Chart {
  readonly element: HTMLElement;
  /** Draws anew: after a choice of the reader, in another scheme, at another width. */
  draw(): void;
}

/** @param draw is asked for the drawing at a width. */
export function chart(
  name: string,
  label: string,
  draw: (theme: Theme, widthPx: number) => Drawing,
): Chart {
  const place = element('div', {
    class: 'chart',
    'data-chart': name,
    role: 'img',
    'aria-label': label,
  });
  let drawn: ReturnType<typeof init> | undefined;
  const redraw = () => {
    const theme = currentTheme();
    const widthPx = place.clientWidth;
    if (widthPx === 0) return;
    const { heightPx, option, points } = draw(theme, widthPx);
    place.style.height = `${heightPx}px`;
    if (drawn === undefined) {
      drawn = init(place, null, { renderer: 'canvas', height: heightPx });
      drawn.on('finished', () => {
        place.dataset['drawn'] = 'true';
      });
    } else {
      drawn.resize({ width: widthPx, height: heightPx });
    }
    place.dataset['points'] = String(points);
    drawn.setOption({ ...base(theme), ...option }, { notMerge: true });
  };
  return { element: place, draw: redraw };
}

function base(theme: Theme): EChartsCoreOption {
  return {
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { fontFamily: theme.sans, color: theme.text },
  };
}

/** Room around the axes, labels inside of it. */
export function grid(more: object = {}): object {
  return { left: 4, right: 14, top: 12, bottom: 4, containLabel: true, ...more };
}

/** An axis in the page's colours. */
export function axis(theme: Theme, name: string, more: object = {}): object {
  return {
    name,
    nameLocation: 'middle',
    nameTextStyle: { color: theme.quiet, fontSize: 12 },
    nameTruncate: { maxWidth: 260, ellipsis: '…' },
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: { color: theme.quiet, fontSize: 11, hideOverlap: true },
    splitLine: { lineStyle: { color: theme.line, width: 1 } },
    ...more,
  };
}

/** Of what is under the pointer. @param content an element: the library would take a text for markup. */
export function tooltipOf(theme: Theme, content: (parameters: TooltipParameters) => HTMLElement) {
  return {
    trigger: 'item',
    confine: true,
    transitionDuration: 0,
    backgroundColor: theme.surface,
    borderColor: theme.line,
    borderWidth: 1,
    padding: [8, 12],
    textStyle: { color: theme.text, fontFamily: theme.sans, fontSize: 12.5 },
    extraCssText: 'box-shadow: 0 4px 16px rgb(0 0 0 / 14%); border-radius: 8px',
    formatter: content,
  };
}

export interface TooltipParameters {
  readonly dataIndex: number;
  readonly seriesIndex: number;
  readonly seriesName?: string;
}

/** Ctrl and the wheel zoom, so that the page still scrolls. */
export function zoomed(more: object = {}): object {
  return {
    type: 'inside',
    zoomOnMouseWheel: 'ctrl',
    moveOnMouseMove: false,
    moveOnMouseWheel: false,
    preventDefaultMouseMove: false,
    ...more,
  };
}
