/**
 * Where this process runs, and whether that can be at all: what an error says of a runtime or platform that has no native
 * module. Decides nothing else; `native.ts` loads.
 */

import { existsSync, readFileSync } from 'node:fs';

import { NotSupportedError } from './errors.ts';

/** For messages: what the release builds. */
const SUPPORTED = 'Linux (x64, arm64; glibc or musl)';

/** What was tried, and why it could not be loaded. */
export interface LoadFailure {
  readonly specifier: string;
  /** Undefined: there is no such file. */
  readonly path: string | undefined;
  readonly error: Error;
}

/** The platform as napi-rs names its packages, such as `linux-x64-gnu`. */
export function platformName(): string {
  const base = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? `${base}-${usesMusl() ? 'musl' : 'gnu'}` : base;
}

function usesMusl(): boolean {
  try {
    return readFileSync('/usr/bin/ldd', 'latin1').includes('musl');
  } catch {
    return existsSync('/etc/alpine-release');
  }
}

/**
 * Refuses runtimes that look like Node and are not. Their Node-API lacks what the native module needs; Bun even ends the
 * process when it is called.
 */
export function requireNode(): void {
  const { bun, deno } = process.versions;
  const other = bun === undefined ? (deno === undefined ? undefined : 'Deno') : 'Bun';
  if (other !== undefined) {
    throw new NotSupportedError(
      `eagleray runs on Node 20.19 or later; this is ${other} ${bun ?? deno}, which its native module can't be ` +
        `loaded in. Run the program with node`,
      { feature: other },
    );
  }
  // Node 20.16 and 22.3 brought it.
  if (typeof process.getBuiltinModule !== 'function') {
    throw new NotSupportedError(`eagleray needs Node 20.19 or later; this is ${process.version}`, {
      feature: `Node ${process.version}`,
    });
  }
}

/** The error for a native module that could not be loaded. `isInstalled` tells whether a package is there. */
export function cannotLoad(
  platform: string,
  failures: readonly LoadFailure[],
  isInstalled: (name: string) => boolean,
): NotSupportedError {
  const broken = failures.find(({ path }) => path !== undefined);
  const feature = platform;
  if (broken !== undefined) {
    return new NotSupportedError(
      `eagleray's native module for ${platform} can't be loaded (Node ${process.version}): ${broken.path}: ` +
        `${broken.error.message}. ${remedyFor(broken.error.message)}`,
      { feature },
      { cause: broken.error },
    );
  }
  const looked = failures.map(({ specifier }) => specifier).join(' and ');
  return new NotSupportedError(
    `eagleray has no native module for ${platform} (Node ${process.version}); looked for ${looked}. ` +
      remedyForMissing(platform, isInstalled),
    { feature },
    { cause: failures.at(-1)?.error },
  );
}

function remedyFor(reason: string): string {
  const glibc = /version `(GLIBC_[\d.]+)' not found/.exec(reason)?.[1];
  if (glibc !== undefined) {
    return `It needs ${glibc.replace('_', ' ')} or later; use a newer system or image, or build it from source`;
  }
  if (/lib(c|c\.musl[^ ]*)\.so/.test(reason)) {
    return 'It is for the other C library (glibc or musl); delete node_modules and install on this system';
  }
  return (
    'The file is damaged, or was installed for another platform; delete node_modules and the lock file, and install ' +
    'on this system'
  );
}

function remedyForMissing(platform: string, isInstalled: (name: string) => boolean): string {
  if (process.platform === 'win32') {
    return `eagleray runs on ${SUPPORTED}; on Windows, use WSL`;
  }
  const isLinux = /^linux-(x64|arm64)-/.test(platform);
  if (!isLinux) return `eagleray runs on ${SUPPORTED}`;
  const other = platform.endsWith('musl')
    ? platform.replace('musl', 'gnu')
    : platform.replace('gnu', 'musl');
  const install =
    `Install on the system where it runs, with optional packages (npm install --include=optional). A lock file that was ` +
    `written on another platform may lack it`;
  if (!isInstalled(`eagleray-${other}/package.json`)) return install;
  return `eagleray-${other} is installed, which is for another C library. ${install}`;
}
