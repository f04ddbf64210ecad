/** Errors of modules that can't be loaded here. */

import { existsSync } from 'node:fs';

import { SerializationError } from '../errors.ts';

/** The error of a module that a function needs: names the module and who imports it, and says what can be done; `error` is what Node said. */
export function importFailure(
  error: unknown,
  specifier: string,
  importer: string,
): SerializationError {
  const said = error instanceof Error ? error.message : String(error);
  const where = importer === '' ? '' : `, which ${importer} imports,`;
  const advice = adviceFor(error, specifier);
  return new SerializationError(
    `the module '${specifier}'${where} can't be loaded in this worker: ${said}${advice === '' ? '' : `. ${advice}`}`,
    {},
    { cause: error },
  );
}

/** Adds to Node's own error what can be done for a file that only a TypeScript loader can load; others stay as they are. */
export function addAdvice(error: unknown, specifier: string): void {
  const isOpen = error instanceof Error && !error.message.endsWith(TYPESCRIPT_ADVICE);
  if (!isOpen || adviceFor(error, specifier) !== TYPESCRIPT_ADVICE) return;
  const { message, stack } = error;
  error.message = `${message}. ${TYPESCRIPT_ADVICE}`;
  // As it is in V8, the stack begins with the message.
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
}

function adviceFor(error: unknown, specifier: string): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  switch (code) {
    case 'ERR_UNKNOWN_FILE_EXTENSION':
    case 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX':
    case 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING':
    case 'ERR_INVALID_TYPESCRIPT_SYNTAX':
      return TYPESCRIPT_ADVICE;
    case 'ERR_MODULE_NOT_FOUND':
    case 'ERR_UNSUPPORTED_DIR_IMPORT': {
      if (!/^[./#@~]/.test(specifier)) return 'Is the package installed where the module is?';
      return mayBeTypeScript(String(message)) ? TYPESCRIPT_ADVICE : '';
    }
    default:
      return '';
  }
}

/** False if the file that is not there is one of JavaScript, and no TypeScript file stands in its place. */
function mayBeTypeScript(message: string): boolean {
  const missing = /^Cannot find module '(.+)' imported from /.exec(message)?.[1];
  const parts = missing === undefined ? null : /^(.*)\.([cm]?)jsx?$/.exec(missing);
  if (parts === null) return true;
  const [, stem, kind] = parts;
  return ['ts', 'tsx'].some((extension) => existsSync(`${stem}.${kind}${extension}`));
}

const TYPESCRIPT_ADVICE =
  'If it needs a TypeScript loader, start the program with `node --import tsx`, or pass ' +
  "init({ workerExecArgv: ['--import', 'tsx'] })";
