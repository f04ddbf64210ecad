/**
 * Which of the driver's Node options its workers are started with.
 *
 * Loaders, conditions, permissions, memory limits and V8 flags belong to the program and are kept. Options that say
 * what to run, that watch, test, debug or profile this one process are dropped: in a worker they would run something
 * else, fight over a port or overwrite a file.
 */

/** Options without a value, or with one behind `=`. */
const DROPPED = [
  /^--inspect(-.+)?$/,
  /^--debug(-.+)?$/,
  /^--(no-)?(experimental-)?test(-.+)?$/,
  /^--watch(-.+)?$/,
  /^--(cpu|heap)-prof(-.+)?$/,
  /^--prof(-process)?$/,
  /^--heapsnapshot-.+$/,
  /^--(no-)?experimental-default-type$/,
  /^--input-type$/,
  /^--(eval|print|check|interactive|completion-bash|help|version|run)$/,
  /^--v8-options$/,
  /^--build-(snapshot|sea)(-config)?$/,
  /^--experimental-sea-config$/,
  /^--trace-event(-.+|s-enabled)?$/,
  /^--title$/,
  /^-[epchiv]+$/,
];

/** Dropped options whose value is the next argument, unless it follows a `=`. */
const DROPPED_WITH_VALUE = new Set([
  '--eval',
  '--print',
  '--input-type',
  '--experimental-default-type',
  '--inspect-port',
  '--debug-port',
  '--inspect-publish-uid',
  '--test-name-pattern',
  '--test-skip-pattern',
  '--test-reporter',
  '--test-reporter-destination',
  '--test-shard',
  '--test-concurrency',
  '--test-timeout',
  '--test-isolation',
  '--experimental-test-isolation',
  '--test-coverage-include',
  '--test-coverage-exclude',
  '--test-coverage-branches',
  '--test-coverage-functions',
  '--test-coverage-lines',
  '--test-global-setup',
  '--watch-path',
  '--watch-kill-signal',
  '--cpu-prof-dir',
  '--cpu-prof-interval',
  '--cpu-prof-name',
  '--heap-prof-dir',
  '--heap-prof-interval',
  '--heap-prof-name',
  '--heapsnapshot-near-heap-limit',
  '--heapsnapshot-signal',
  '--run',
  '--build-snapshot-config',
  '--build-sea',
  '--experimental-sea-config',
  '--trace-event-categories',
  '--trace-event-file-pattern',
  '--title',
  '-e',
  '-p',
  '-pe',
]);

/** Kept options whose value is the next argument: it must not be taken for an option. */
const KEPT_WITH_VALUE = new Set([
  '--import',
  '--require',
  '-r',
  '--loader',
  '--experimental-loader',
  '--conditions',
  '-C',
  '--env-file',
  '--env-file-if-exists',
  '--allow-fs-read',
  '--allow-fs-write',
  '--disable-warning',
  '--dns-result-order',
  '--unhandled-rejections',
  '--icu-data-dir',
  '--openssl-config',
  '--tls-keylog',
  '--max-http-header-size',
  '--stack-trace-limit',
  '--redirect-warnings',
  '--localstorage-file',
  '--secure-heap',
  '--secure-heap-min',
]);

/** The arguments for a worker's Node, from those of the driver's (`process.execArgv`). */
export function execArgvForWorkers(execArgv: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < execArgv.length; index++) {
    const argument = execArgv[index]!;
    const equals = argument.indexOf('=');
    const name = (equals === -1 ? argument : argument.slice(0, equals)).replaceAll('_', '-');
    const next = execArgv[index + 1];
    const hasValue = equals === -1 && next !== undefined;
    if (DROPPED_WITH_VALUE.has(name) || DROPPED.some((pattern) => pattern.test(name))) {
      if (hasValue && DROPPED_WITH_VALUE.has(name)) index++;
      continue;
    }
    kept.push(argument);
    if (hasValue && KEPT_WITH_VALUE.has(name)) {
      kept.push(next);
      index++;
    }
  }
  return kept;
}

/** Preloaded files that only quieten or measure, and load no other language. */
const NO_LOADER = /suppress-warnings\.c?js$|dotenv|source-map-support|opentelemetry|dd-trace/;

/** True if workers started with these options (and this environment) have a loader that may understand TypeScript. */
export function hasLoader(
  execArgv: readonly string[],
  nodeOptions: string = process.env['NODE_OPTIONS'] ?? '',
): boolean {
  const all = [...execArgvForWorkers(execArgv), ...nodeOptions.split(/\s+/)];
  return all.some((argument, index) => {
    const [name, value = all[index + 1] ?? ''] = splitOnce(argument);
    return (
      /^(--import|--require|-r|--loader|--experimental-loader)$/.test(name) &&
      !NO_LOADER.test(value)
    );
  });
}

function splitOnce(argument: string): [string, string?] {
  const equals = argument.indexOf('=');
  return equals === -1 ? [argument] : [argument.slice(0, equals), argument.slice(equals + 1)];
}
