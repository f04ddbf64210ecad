/** `getRuntimeContext`: where this code runs. */

import { NotInitializedError } from './errors.ts';
import type { AnyActorHandle, RuntimeContext } from './types.ts';
import { sessionIfAny } from './runtime/current.ts';
import { capabilities } from './native.ts';
import type { CurrentTask } from './runtime/waits.ts';

/** A task or method that runs here, as its context shows it. */
export interface RunningTask extends CurrentTask {
  readonly taskId: string;
  readonly taskName: string;
  readonly resources: Readonly<Record<string, number>>;
  readonly controller: AbortController;
  /** True once somebody has asked for the signal. */
  readonly hasController: boolean;
}

/** The actor of this process. */
export interface RunningActor {
  readonly actorId: string;
  readonly actorName: string | null;
  readonly resources: Readonly<Record<string, number>>;
  handle(): AnyActorHandle | null;
}

let runningTask: () => RunningTask | undefined = () => undefined;
let runningActor: RunningActor | undefined;

/** Set by a worker: what runs. */
export function useRunning(task: () => RunningTask | undefined): void {
  runningTask = task;
}

/** Set by a worker that becomes an actor. */
export function useActor(actor: RunningActor): void {
  runningActor = actor;
}

export function getRuntimeContext(): RuntimeContext {
  const session = sessionIfAny();
  if (session === undefined) {
    throw new NotInitializedError('getRuntimeContext() needs a running runtime; call init() first');
  }
  const task = runningTask();
  const { settings } = session;
  return {
    jobId: settings.jobId,
    nodeId: settings.nodeId,
    workerId: `${settings.nodeId}-${session.processNumber}`,
    taskId: task?.taskId ?? null,
    taskName: task?.taskName ?? null,
    actorId: runningActor?.actorId ?? null,
    actorName: runningActor?.actorName ?? null,
    namespace: settings.namespace,
    assignedResources: runningActor?.resources ?? task?.resources ?? {},
    acceleratorIds: { GPU: session.gpuIds() },
    get isCanceled() {
      return task !== undefined && task.token !== 0 && session.isCancelled(task.token);
    },
    // Made when it is asked for: a task that has its signal is told of its cancellation by it.
    get signal() {
      return task?.controller.signal ?? null;
    },
    get currentActor() {
      return runningActor?.handle() ?? null;
    },
    capabilities: capabilities(),
  };
}
