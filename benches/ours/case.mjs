// The process of one case: `node case.mjs CASE SETTINGS_AS_JSON`. Started by harness/child.mjs, or by hand.

import { init, shutdown } from 'eagleray';
import { reportResult } from '../harness/child.mjs';
import { actorCases } from './actors.mjs';
import { footprintCases } from './footprint.mjs';
import { objectCases } from './objects.mjs';
import { scalabilityCases } from './scalability.mjs';
import { taskCases } from './tasks.mjs';

const [name, settingsText = '{"seconds":2,"windows":3}'] = process.argv.slice(2);

const cases = {
  ...taskCases,
  ...actorCases,
  ...objectCases,
  ...scalabilityCases,
  ...footprintCases,
  // Loaded only then: the others measure programs that don't tune.
  ...(name?.startsWith('tune-') && (await import('./tune.mjs')).tuneCases),
};

if (!Object.hasOwn(cases, name)) {
  throw new Error(`there is no case "${name}"; there are: ${Object.keys(cases).join(', ')}`);
}
const { run, startsItself = false, initOptions = {} } = cases[name];

// Two CPUs whatever the machine has, so that every side of a comparison works with the same number of workers.
if (!startsItself) await init({ numCpus: 2, ...initOptions });
const result = await run(JSON.parse(settingsText));
await shutdown();
reportResult(result);
