/** Bun and Deno: an import that works, and at the first call one error that says what to do. Neither ever crashes. */

import { describe, expect, test } from 'vitest';

import { binary, projectFolder, run } from './project.ts';

const CASES = [
  { name: 'Bun', program: binary('bun'), args: ['run'] },
  { name: 'Deno', program: binary('deno'), args: ['run', '--allow-all', '--no-lock'] },
  {
    name: 'Deno, allowed nothing',
    program: binary('deno'),
    args: ['run', '--no-prompt', '--no-lock'],
  },
];

describe.each(CASES)('$name', ({ name, program, args }) => {
  test.each(['program.mjs', 'program.cjs'])('%s', async (file) => {
    const { code, output, errors } = await run(projectFolder('other-runtimes'), program, [
      ...args,
      file,
    ]);
    expect(code, `${output}\n${errors}`).toBe(0);
    const said = JSON.parse(output) as Record<string, unknown>;
    const refusal = [
      'NotSupportedError',
      'ERR_EAGLERAY_NOT_SUPPORTED',
      expect.stringMatching(
        new RegExp(`runs on Node 20\\.19 or later; this is ${name.split(',')[0]} \\d.*with node`),
      ),
      true,
    ];
    expect(said).toEqual({
      imported: 'function',
      isInitialized: false,
      init: refusal,
      remote: refusal,
      put: refusal,
      get: refusal,
      allocate: refusal,
      shutdown: 'worked',
    });
  });
});
