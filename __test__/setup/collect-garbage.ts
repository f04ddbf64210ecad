/** V8's garbage collector, for tests that say when it runs. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Collects all garbage of this process. What finalizers do follows in a later turn of the event loop. */
export const collectGarbage = runInNewContext('gc') as () => void;
