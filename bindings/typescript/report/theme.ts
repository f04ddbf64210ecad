/** The colours of charts, from the page's style sheet, so that both schemes are defined in one place. */

export interface Theme {
  readonly text: string;
  readonly quiet: string;
  readonly faint: string;
  readonly line: string;
  readonly surface: string;
  readonly accent: string;
  readonly best: string;
  readonly muted: string;
  readonly rampLow: string;
  readonly rampHigh: string;
  readonly good: string;
  readonly bad: string;
  readonly warn: string;
  readonly sans: string;
}

/** As it is now: asked for again when the scheme changes. */
export function currentTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: value('text'),
    quiet: value('quiet'),
    faint: value('faint'),
    line: value('line'),
    surface: value('surface'),
    accent: value('accent'),
    best: value('best'),
    muted: value('muted'),
    rampLow: value('ramp-low'),
    rampHigh: value('ramp-high'),
    good: value('good'),
    bad: value('bad'),
    warn: value('warn'),
    sans: value('sans'),
  };
}

/** A colour between two of the form `#rrggbb`; `share` from 0 to 1. */
export function mixed(from: string, to: string, share: number): string {
  const parts = [1, 3, 5].map((place) => {
    const low = Number.parseInt(from.slice(place, place + 2), 16);
    const high = Number.parseInt(to.slice(place, place + 2), 16);
    return Math.round(low + (high - low) * share);
  });
  return `rgb(${parts.join(',')})`;
}
