/** Elements of the page. Texts become text nodes, never markup: what trials report may be anything. */

type Attributes = Readonly<Record<string, string | number | boolean | null>>;

/** An element with attributes (null and false leave one out) and children. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly (Node | string | null)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    made.setAttribute(attribute, value === true ? '' : String(value));
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** What a chart says of the thing under the pointer. */
export function tooltip(
  title: string,
  entries: readonly (readonly [name: string, value: string])[],
): HTMLElement {
  const list = element(
    'dl',
    {},
    ...entries.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]),
  );
  return element('div', { class: 'tooltip' }, element('b', {}, title), list);
}

export interface LegendEntry {
  readonly label: string;
  /** A colour. */
  readonly swatch: string;
  readonly form?: 'line' | 'ramp' | 'bar';
}

/** Outside of the drawing, so that it wraps on small screens. */
export function legend(entries: readonly LegendEntry[]): HTMLElement {
  return element(
    'ul',
    { class: 'legend' },
    ...entries.map(({ form, label, swatch }) =>
      element(
        'li',
        { class: form === undefined ? null : `is-${form}`, style: `--swatch: ${swatch}` },
        label,
      ),
    ),
  );
}
