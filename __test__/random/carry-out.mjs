/** Carries out the steps of a random program (`program.ts`), in the driver and in whatever task or method it starts. */

import {
  EaglerayError,
  cancel,
  exitActor,
  get,
  kill,
  put,
  remote,
  terminate,
  wait,
} from 'eagleray';

/** Nothing takes nearly so long: whoever waits for longer has found a fault. */
const PATIENCE = { timeoutMs: 60_000 };

/** What a program does on purpose. Everything else that fails is a fault. */
const EXPECTED = new Set([
  'ERR_EAGLERAY_TASK',
  'ERR_EAGLERAY_TASK_CANCELLED',
  'ERR_EAGLERAY_WORKER_CRASHED',
  'ERR_EAGLERAY_ACTOR_DIED',
  'ERR_EAGLERAY_ACTOR_UNAVAILABLE',
  'ERR_EAGLERAY_OWNER_DIED',
  'ERR_EAGLERAY_OBJECT_LOST',
]);

async function settled(ref) {
  try {
    return await get(ref, PATIENCE);
  } catch (error) {
    if (!(error instanceof EaglerayError) || !EXPECTED.has(error.code))
      throw new Error(`a fault: ${error?.stack}`, { cause: error });
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      if (cause.message.startsWith('a fault: ')) throw new Error(cause.message, { cause: error });
    }
    return undefined;
  }
}

const run = remote(async function run(task, given) {
  if (given !== undefined && given.length !== task.given)
    throw new Error(`a fault: ${given.length} bytes`);
  await carryOut(task.steps);
  return ending(task.end);
});

function ending(end) {
  if (end === 'throw') throw new RangeError('on purpose');
  if (end === 'exit') process.exit(9);
  if (end === 'large') return new Float64Array(200_000).fill(7);
  if (end === 'ref') return { inside: put(new Uint8Array(200_000)) };
  return 'done';
}

class Actor {
  async work(steps) {
    await carryOut(steps);
    return process.pid;
  }
  exit() {
    exitActor();
  }
  crash() {
    process.exit(7);
  }
}

class OrderedActor {
  count = 0;
  work() {
    this.count += 1;
    return this.count;
  }
  exit() {
    exitActor();
  }
  crash() {
    process.exit(7);
  }
}

const optionsOf = ({ numCpus, numGpus, x, maxCalls, maxRetries, name }) => ({
  numCpus,
  numGpus,
  maxRetries,
  name,
  ...(maxCalls > 0 && { maxCalls }),
  ...(x > 0 && { resources: { X: x } }),
});

const useHandle = remote(async function useHandle(handle) {
  await settled(handle.work.remote([]));
});

async function act(plan) {
  const options = { numGpus: plan.numGpus, maxRestarts: plan.maxRestarts };
  if (plan.numCpus !== undefined) options.numCpus = plan.numCpus;
  const actor = remote(plan.isAsync ? Actor : OrderedActor, options).remote();
  const refs = plan.calls.map((steps) => actor.work.remote(steps));
  if (plan.awaited) for (const ref of refs) await settled(ref);
  if (plan.end === 'kill') kill(actor);
  else if (plan.end === 'terminate') terminate(actor);
  else if (plan.end === 'exit') await settled(actor.exit.remote());
  else if (plan.end === 'crash') await settled(actor.crash.remote());
  else if (plan.end === 'handle to a task') useHandle.remote(actor);
}

/** @param steps what to do, in order */
export async function carryOut(steps) {
  const refs = [];
  for (const step of steps) {
    switch (step.kind) {
      case 'sleep':
        await new Promise((resolve) => void setTimeout(resolve, step.milliseconds));
        break;
      case 'put': {
        const ref = put(new Uint8Array(step.bytes));
        refs.push(step.nested ? put({ ref }) : ref);
        break;
      }
      case 'pass':
        await settled(
          run
            .options(optionsOf(step.task))
            .remote({ ...step.task, given: step.bytes }, put(new Uint8Array(step.bytes))),
        );
        break;
      case 'spawn': {
        const ref = run.options(optionsOf(step.task)).remote(step.task);
        if (step.afterwards === 'await') refs.push(await settled(ref));
        else if (step.afterwards === 'wait') {
          const [ready] = await wait([ref], PATIENCE);
          if (ready.length === 0) throw new Error(`a fault: ${step.task.name} does not end`);
        } else if (step.afterwards !== 'drop') cancel(ref, { force: step.afterwards === 'kill' });
        break;
      }
      case 'actor':
        await act(step.actor);
        break;
      default:
        throw new Error(`a fault: the step ${step.kind}`);
    }
  }
  return refs.length;
}
