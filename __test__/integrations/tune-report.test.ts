/**
 * The report of an experiment in a real browser: what it draws, that it asks for nothing, that no text becomes markup, and that it can
 * be read on a phone. Needs Chromium or Chrome on the PATH (Debian: `apt-get install chromium`), and is skipped without.
 */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { reportHtml } from '../../bindings/typescript/src/tune/outputs/report/report-html.ts';
import { experimentOf, largeExperiment } from '../tune/outputs-experiment.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const executablePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find((path) => existsSync(path));

/** Of the one metric that there is. */
const IMPORTANCES = [
  [
    { name: 'optimizer.lr', importance: 0.75 },
    { name: 'dropout', importance: 0.25 },
  ],
];

interface Opened {
  readonly page: Page;
  /** Of the console, and what was thrown. */
  readonly errors: string[];
  readonly requests: string[];
}

describe.skipIf(executablePath === undefined)(
  'report.html in a browser (needs chromium on the PATH)',
  () => {
    let browser: Browser;
    let folder: string;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'eagleray-report-'));
      // Tests run as root in containers, where Chromium's sandbox can't be.
      browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
    });
    afterAll(async () => {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    });

    async function open(
      html: string,
      { scheme = 'light', width = 1280 }: { scheme?: 'light' | 'dark'; width?: number } = {},
    ): Promise<Opened> {
      const file = join(folder, 'report.html');
      writeFileSync(file, html);
      const page = await browser.newPage({
        colorScheme: scheme,
        viewport: { width, height: 900 },
        deviceScaleFactor: 1,
      });
      const errors: string[] = [];
      const requests: string[] = [];
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) errors.push(message.text());
      });
      page.on('pageerror', (error) => errors.push(String(error)));
      page.on('request', (request) => requests.push(request.url()));
      await page.goto(pathToFileURL(file).href);
      await page.waitForSelector('html[data-report]', { state: 'attached' });
      await page.waitForFunction(() =>
        [...document.querySelectorAll('[data-chart]')].every(
          (each) => (each as HTMLElement).dataset['drawn'] === 'true',
        ),
      );
      return { page, errors, requests };
    }

    /** Names of charts, and how much each has drawn. */
    function chartsOf(page: Page): Promise<[string, number][]> {
      return page.$$eval('[data-chart]', (all) =>
        all.map((each): [string, number] => {
          const { chart, points } = (each as HTMLElement).dataset;
          return [chart!, each.querySelector('canvas') === null ? -1 : Number(points)];
        }),
      );
    }

    test('draws every chart and the table, with no errors and no requests', async () => {
      const experiment = largeExperiment({ trials: 150, iterations: 81 });
      const { errors, page, requests } = await open(
        reportHtml(experiment, { importances: IMPORTANCES }),
      );
      const charts = await chartsOf(page);
      expect(new Set(charts.map(([name]) => name))).toEqual(
        new Set(['history', 'curves', 'rungs', 'importances', 'parallel', 'slice', 'timeline']),
      );
      const points = new Map(charts);
      const finite = experiment.trials.filter(({ history }) => {
        const { loss } = (history.at(-1)?.['eval'] ?? {}) as { loss?: number };
        return Number.isFinite(loss);
      });
      expect(points.get('history')).toBe(finite.length);
      expect(points.get('parallel')).toBe(finite.length);
      expect(points.get('timeline')).toBe(150);
      expect(points.get('rungs')).toBe(4);
      expect(points.get('importances')).toBe(2);
      expect(charts.filter(([name]) => name === 'slice')).toHaveLength(6);
      expect(await page.locator('tbody tr').count()).toBe(100);
      await page.getByRole('button', { name: /^Show \d+ more/ }).click();
      expect(await page.locator('tbody tr').count()).toBe(150);
      expect(errors).toEqual([]);
      expect(
        requests.filter((url) => !url.startsWith('file:') && !url.startsWith('data:')),
      ).toEqual([]);
      await page.close();
    });

    test('has ink on every canvas', async () => {
      const { page } = await open(reportHtml(largeExperiment({ trials: 60, iterations: 10 })));
      const empty = await page.$$eval('[data-chart] canvas', (all) =>
        all.flatMap((each) => {
          const canvas = each as HTMLCanvasElement;
          const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
          return data.some((byte) => byte !== 0) ? [] : [canvas.parentElement!.outerHTML];
        }),
      );
      expect(empty).toEqual([]);
      await page.close();
    });

    test('sorts and searches its table', async () => {
      const experiment = largeExperiment({ trials: 90, iterations: 20 });
      const { page } = await open(reportHtml(experiment));
      const first = () => page.locator('tbody tr').first().getAttribute('data-trial');
      const best = await first();
      expect(await page.locator('tr.is-best').getAttribute('data-trial')).toBe(best);
      await page.getByRole('button', { name: 'trial', exact: true }).click();
      expect(await first()).toBe('0');
      await page.getByRole('button', { name: 'trial', exact: true }).click();
      expect(await first()).toBe('89');
      await page.getByRole('searchbox').fill('RangeError');
      const failed = experiment.trials.filter(({ status }) => status === 'ERROR');
      expect(failed.length).toBeGreaterThan(0);
      expect(await page.locator('tbody tr').count()).toBe(failed.length);
      await page.close();
    });

    test('shows the front of several metrics, and another metric where it is chosen', async () => {
      const experiment = largeExperiment({ trials: 100, iterations: 10, isMulti: true });
      const { errors, page } = await open(reportHtml(experiment));
      const points = new Map(await chartsOf(page));
      expect(points.get('front')).toBeGreaterThan(80);
      await page.getByRole('combobox', { name: 'Metric' }).selectOption('latencyMs');
      await page.getByLabel('logarithmic scale').check();
      expect(new Map(await chartsOf(page)).get('history')).toBeGreaterThan(80);
      expect(errors).toEqual([]);
      await page.close();
    });

    test('never takes a text for markup', async () => {
      const text = `</script><script>window.hacked = 1</script><img src=x onerror="window.hacked=2">'"`;
      const html = reportHtml(largeExperiment({ trials: 60, iterations: 5, text }), {
        importances: [[{ name: `lr${text}`, importance: 1 }]],
      });
      const { errors, page } = await open(html);
      // Tooltips, too, are made of what trials have.
      for (const chart of await page
        .locator('[data-chart="history"], [data-chart="importances"]')
        .all()) {
        const { height, width } = (await chart.boundingBox())!;
        for (let x = 40; x < width - 20; x += 12) {
          await chart.hover({ position: { x, y: height / 2 } });
        }
      }
      expect(await page.locator('.tooltip').count()).toBeGreaterThan(0);
      expect(await page.evaluate('window.hacked')).toBeUndefined();
      expect(await page.locator('#report img').count()).toBe(0);
      expect(await page.locator('h1').textContent()).toBe(`digits-asha${text}`);
      expect(await page.title()).toBe(`digits-asha${text}`);
      expect(errors).toEqual([]);
      await page.close();
    });

    test('follows the colour scheme, at once when it changes', async () => {
      const { page } = await open(reportHtml(largeExperiment({ trials: 20, iterations: 3 })), {
        scheme: 'dark',
      });
      const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const picture = () =>
        page.$eval('[data-chart="history"] canvas', (each) =>
          (each as HTMLCanvasElement).toDataURL(),
        );
      const [dark, darkPicture] = [await ground(), await picture()];
      await page.emulateMedia({ colorScheme: 'light' });
      await expect.poll(picture).not.toBe(darkPicture);
      expect(brightness(dark)).toBeLessThan(60);
      expect(brightness(await ground())).toBeGreaterThan(230);
      await page.close();
    });

    for (const width of [380, 1280]) {
      test(`is no wider than a screen of ${width} pixels`, async () => {
        const text = 'a-name-without-any-place-to-break-it-'.repeat(4);
        const experiment = largeExperiment({ trials: 60, iterations: 20, isMulti: true, text });
        const { page } = await open(reportHtml(experiment, { importances: IMPORTANCES }), {
          width,
        });
        const overflowing = await page.evaluate(() => {
          const { clientWidth, scrollWidth } = document.documentElement;
          const wide = [...document.querySelectorAll('section, header, dl, [data-chart]')].filter(
            (each) => each.getBoundingClientRect().right > clientWidth + 0.5,
          );
          return [scrollWidth - clientWidth, wide.map((each) => each.className)];
        });
        expect(overflowing).toEqual([0, []]);
        await page.close();
      });
    }

    test('stays below 1.5 MB for ten thousand trials, and says what it left out', async () => {
      const html = reportHtml(largeExperiment({ trials: 10_000, iterations: 40 }));
      expect(Buffer.byteLength(html)).toBeLessThan(1_500_000);
      const { errors, page } = await open(html);
      expect(await page.locator('[data-section="notes"]').textContent()).toMatch(
        /[\d,]+ of 10,000 trials are shown/,
      );
      expect(await page.locator('.tiles').textContent()).toContain('10,000');
      expect(errors).toEqual([]);
      await page.close();
    });

    test('is a page for an experiment without anything, too', async () => {
      const empty = experimentOf([], { metrics: [], modes: [], parameters: [] });
      const { errors, page } = await open(reportHtml(empty));
      expect(await page.locator('html').getAttribute('data-report')).toBe('ready');
      expect(await page.locator('h1').textContent()).toBe('mnist');
      expect(errors).toEqual([]);
      await page.close();
    });
  },
);

/** Of `rgb(r, g, b)`, from 0 to 255. */
function brightness(color: string): number {
  const parts = color.match(/\d+/g)!.map(Number);
  return (parts[0]! + parts[1]! + parts[2]!) / 3;
}
