/** Objects of `import * as` inside values, and modules of Node that are functions; prints what arrives. */

import * as assertion from 'node:assert';
import assert from 'node:assert';
import EventEmitter from 'node:events';
import fs from 'node:fs';
import * as files from 'node:fs/promises';
import Module from 'node:module';
import * as path from 'node:path';
import stream from 'node:stream';

import { get, init, remote, shutdown } from 'eagleray';

import * as withPath from './with-path.mjs';

await init({ numCpus: 1 });
const values = {
  assert,
  assertion,
  EventEmitter,
  files,
  fs,
  Module,
  path,
  process,
  stream,
  withPath,
};
const found = (held) => {
  const own = (name) => process.getBuiltinModule(`node:${name}`);
  return {
    functions:
      held.assert === own('assert') &&
      held.EventEmitter === own('events') &&
      held.Module === own('module') &&
      held.stream === own('stream'),
    namespaces:
      held.assertion.default === own('assert') &&
      held.files.default === own('fs/promises') &&
      held.path.join === own('path').join,
    objects: held.fs === own('fs') && held.process === process,
    ofProgram: [held.withPath.default === own('path'), held.withPath.separator],
  };
};
const places = {
  argument: await get(remote(found).remote(values)),
  captured: await get(remote(() => found(values)).remote()),
  result: found(await get(remote((held) => held).remote(values))),
};
await shutdown();
console.log(JSON.stringify(places));
