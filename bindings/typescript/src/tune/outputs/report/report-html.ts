/**
 * `report.html`: the page that the build has made, with the data of an experiment in it.
 *
 * - RH-1 The file is below 1.5 MB, however large the experiment is: the page has at most {@link DATA_BYTES_MAX} of data.
 * - RH-2 No text of the experiment ends its element: data is JSON without `<`, and the title is escaped. The page shows text as text.
 */

import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';

import type { ExperimentRecord } from '../../experiment/record.ts';
import { notWritten } from '../atomic-file.ts';
import type { Importance } from './page-data.ts';
import { PAGE_LIMITS, reportData, surveyOf } from './report-data.ts';
import type { PageLimits, ReportInput } from './report-data.ts';

export const DATA_BYTES_MAX = 720_000;

/** Where the page's own parts are replaced; the page has each once before all scripts. */
const TITLE_PLACE = '{{title}}';
const DATA_PLACE = '"{{data}}"';

/** With less than this the page would show nothing: names are short then, and fit. */
const SMALLEST: PageLimits = {
  trials: 50,
  parameters: 5,
  metrics: 2,
  curves: 5,
  pointsPerCurve: 20,
  textLetters: 24,
};

export interface ReportOptions {
  /** By metric of the experiment. */
  readonly importances?: readonly (readonly Importance[])[] | undefined;
  /** Milliseconds since 1970. @default now */
  readonly writtenAt?: number | undefined;
  /** @default the one in the package, read when it is needed */
  readonly page?: string | undefined;
}

/** The whole file. @throws StorageError where the package's page can't be read */
export function reportHtml(experiment: ExperimentRecord, options: ReportOptions = {}): string {
  const { importances, page = readPage(), writtenAt = Date.now() } = options;
  const data = fittingData(experiment, { importances, writtenAt });
  // By functions, since `$` means something in a replacement that is text.
  return page
    .replace(TITLE_PLACE, () => escaped(experiment.header.name))
    .replace(DATA_PLACE, () => data);
}

/** As much as fits: each time half of what there was. */
function fittingData(experiment: ExperimentRecord, input: ReportInput): string {
  const survey = surveyOf(experiment);
  let limits = PAGE_LIMITS;
  for (;;) {
    const json = JSON.stringify(reportData(survey, input, limits)).replaceAll('<', '\\u003c');
    if (Buffer.byteLength(json) <= DATA_BYTES_MAX || limits.trials <= SMALLEST.trials) return json;
    limits = halved(limits);
  }
}

/** Trials first, down to a thousand; then all else, too. */
function halved(limits: PageLimits): PageLimits {
  const half = (name: keyof PageLimits) => Math.max(SMALLEST[name], Math.floor(limits[name] / 2));
  if (limits.trials > 1000) return { ...limits, trials: half('trials') };
  return {
    trials: half('trials'),
    parameters: half('parameters'),
    metrics: half('metrics'),
    curves: half('curves'),
    pointsPerCurve: half('pointsPerCurve'),
    textLetters: half('textLetters'),
  };
}

/** The build puts it beside the SDK; the sources are used by tests of them only. */
function readPage(): string {
  const folder = import.meta.url.endsWith('.ts') ? '../../../../../../dist/' : './';
  const url = new URL(`${folder}tune-report.html.br`, import.meta.url);
  try {
    return brotliDecompressSync(readFileSync(url)).toString('utf8');
  } catch (error) {
    throw notWritten(url.pathname, error);
  }
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
