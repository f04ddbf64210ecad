import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './run-program.ts';

/** A folder of a user who has installed the package. */
export interface UserProject {
  folder: string;
  /** Writes a file into it and gives its path. */
  write(name: string, content: string): string;
  remove(): void;
}

export function makeUserProject(): UserProject {
  const folder = mkdtempSync(join(tmpdir(), 'eagleray-project-'));
  const write = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/eagleray'));
  write('package.json', '{ "type": "module" }\n');
  return { folder, write, remove: () => rmSync(folder, { recursive: true }) };
}
