/**
 * Makes the page of tuning's reports: one HTML file with its style, its program and the charting library, in which the SDK
 * puts an experiment's data.
 */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** Its sources: what the build's stamp has to cover. */
export const reportSources = join(root, 'bindings/typescript/report');

/** The page, with `{{title}}` and `"{{data}}"` where those belong. */
export async function reportPage() {
  const { build } = await import('esbuild');
  const bundled = async (file, options) => {
    const { outputFiles } = await build({
      absWorkingDir: root,
      entryPoints: [join(reportSources, file)],
      bundle: true,
      minify: true,
      write: false,
      // Browsers of the last three years.
      target: 'es2022',
      // What licences demand is in `licences`, in full.
      legalComments: 'none',
      ...options,
    });
    return outputFiles[0].text.trim();
  };
  const style = await bundled('page.css', {});
  const script = await bundled('main.ts', {
    format: 'iife',
    platform: 'browser',
    charset: 'ascii',
  });
  for (const [text, end] of [
    [style, '</style'],
    [script, '</script'],
  ]) {
    if (text.toLowerCase().includes(end))
      throw new Error(`the report's page would end at a ${end}`);
  }
  const page = readFileSync(join(reportSources, 'page.html'), 'utf8');
  return page
    .replace('/*{{style}}*/', () => style)
    .replace('/*{{script}}*/', () => script)
    .replace('/*{{licences}}*/', licences);
}

/** Whoever gets a report gets the library, and with it what its licence says has to come along. */
function licences() {
  const texts = ['echarts/LICENSE', 'echarts/NOTICE', 'zrender/LICENSE'].map((file) =>
    readFileSync(join(root, 'node_modules', file), 'utf8').trim(),
  );
  const text = ['In this page: Apache ECharts, ZRender.', ...texts].join('\n\n');
  if (text.includes('</script')) throw new Error('a licence would end its element');
  return text;
}
