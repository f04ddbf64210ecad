/** What a worker process runs: connects to the raylet that started it, and executes what comes. */

// The SDK has to be complete before anything that was shipped refers to it.
import * as sdk from '../index.ts';

import { markWorker, textOfUnhandled } from '../driver.ts';
import { native } from '../native.ts';
import { tellOfDisposals } from '../runtime/disposals.ts';
import { setSession } from '../runtime/current.ts';
import { NativeSession } from '../runtime/session.ts';
import { useEntryUrls } from '../shipping/index.ts';
import { Executor } from './executor.ts';

/** Makes a worker of this process. */
export function startWorker(): void {
  if (sdk.isInitialized()) throw new Error('a worker process runs one runtime only');
  markWorker();
  const runtime = native().connectWorker();
  const session = new NativeSession(
    runtime,
    {
      // Lines go to the driver; a worker only sees those of its own core worker's failures.
      output: (name, _pid, _isError, text) => process.stderr.write(`(${name}) ${text}\n`),
      whileBlocked: (read) => read(),
      unhandled: (error) => process.stderr.write(textOfUnhandled(error)),
      cancelled: (token) => executor.cancelled(token),
      functionForgotten: (number) => executor.functionForgotten(number),
      exit: () => executor.exit(),
      runtimeEnds: () => executor.runtimeEnds(),
      ended: () => process.exit(0),
    },
    true,
  );
  setSession(session);
  tellOfDisposals((hasAny) => session.native.endsInOrder(hasAny));
  useEntryUrls(session.settings.entryUrls);
  // Reports come only after this turn of the event loop, so none of the above finds it missing.
  const executor: Executor = new Executor(session);
  executor.start();
}
