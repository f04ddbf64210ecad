import { existsSync, writeFileSync } from 'node:fs';
import {
  ActorDiedError,
  ActorNotFoundError,
  InfeasibleResourcesError,
  InvalidArgumentError,
  actorReady,
  availableResources,
  exitActor,
  get,
  getActor,
  getRuntimeContext,
  init,
  kill,
  put,
  remote,
  shutdown,
  terminate,
  type AnyActorHandle,
} from 'eagleray';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { isAlive } from '../examples/run-program.ts';
import { makeGates, openGate, passGate } from './gates.ts';
import { rejection } from './rejection.ts';

const gates = makeGates();

beforeAll(async () => {
  await init({ numCpus: 2, resources: { Slot: 1 } });
});

afterAll(async () => {
  await shutdown();
  gates.dispose();
});

/** Resolves when the process has ended. */
const ended = async (pid: number): Promise<void> => {
  while (isAlive(pid)) await sleep(5);
};

class Service {
  calls = 0;
  pid(): number {
    return process.pid;
  }
  count(): number {
    return (this.calls += 1);
  }
  async block(started: string, end: string): Promise<string> {
    openGate(started);
    await passGate(end);
    return 'done';
  }
  crash(): void {
    process.kill(process.pid, 'SIGKILL');
  }
  crashOnce(marker: string): string {
    if (!existsSync(marker)) {
      writeFileSync(marker, '');
      process.kill(process.pid, 'SIGKILL');
    }
    return 'survived';
  }
  leave(): void {
    exitActor();
  }
}

const RemoteService = remote(Service);

describe('named actors', () => {
  test('are found by their name', async () => {
    const made = RemoteService.options({ name: 'found' }).remote();
    await get(made.count.remote());
    const found = getActor<Service>('found');
    expect(found.actorId).toBe(made.actorId);
    expect(await get(found.count.remote())).toBe(2);
  });

  test('are found by tasks', async () => {
    const made = RemoteService.options({ name: 'found by tasks' }).remote();
    await get(made.count.remote());
    const count = remote(async (name: string) => get(getActor<Service>(name).count.remote()));
    expect(await get(count.remote('found by tasks'))).toBe(2);
    expect(made.actorId).not.toBe('');
  });

  test('that do not exist are an ActorNotFoundError', () => {
    expect(() => getActor('nobody')).toThrow(ActorNotFoundError);
    expect(() => getActor('nobody')).toThrow(/nobody/);
  });

  test.each([1, '', null, undefined])('getActor(%o) is an InvalidArgumentError', (name) => {
    expect(() => getActor(name as string)).toThrow(InvalidArgumentError);
  });

  test('of one name can not be two', () => {
    const first = RemoteService.options({ name: 'only one' }).remote();
    expect(() => RemoteService.options({ name: 'only one' }).remote()).toThrow(
      InvalidArgumentError,
    );
    expect(() => RemoteService.options({ name: 'only one' }).remote()).toThrow(/only one/);
    expect(getActor('only one').actorId).toBe(first.actorId);
  });

  test('with getIfExists are made once', async () => {
    const Shared = RemoteService.options({ name: 'shared', getIfExists: true });
    const [a, b] = [Shared.remote(), Shared.remote()];
    expect(a.actorId).toBe(b.actorId);
    expect(await get([a.count.remote(), b.count.remote()])).toEqual([1, 2]);
  });

  test('live in namespaces', () => {
    const a = RemoteService.options({ name: 'same', namespace: 'a' }).remote();
    const b = RemoteService.options({ name: 'same', namespace: 'b' }).remote();
    expect(getActor('same', { namespace: 'a' }).actorId).toBe(a.actorId);
    expect(getActor('same', { namespace: 'b' }).actorId).toBe(b.actorId);
    expect(() => getActor('same')).toThrow(ActorNotFoundError);
  });

  test('know their name', async () => {
    class Named {
      name(): string | null {
        return getRuntimeContext().actorName;
      }
    }
    expect(await get(remote(Named, { name: 'itself' }).remote().name.remote())).toBe('itself');
  });

  test('are counted like any other', async () => {
    const actor = RemoteService.options({ name: 'short lived' }).remote();
    const pid = await get(actor.pid.remote());
    actor.dispose();
    await ended(pid);
    expect(() => getActor('short lived')).toThrow(ActorNotFoundError);
  });
});

describe('the last handle', () => {
  test('ends its actor', async () => {
    const actor = RemoteService.remote();
    const pid = await get(actor.pid.remote());
    actor.dispose();
    await ended(pid);
  });

  test('ends it after the calls that were made', async () => {
    const [started, end] = [gates.next(), gates.next()];
    const actor = RemoteService.remote();
    const running = actor.block.remote(started, end);
    const queued = actor.count.remote();
    actor.dispose();
    openGate(end);
    expect(await get([running, queued])).toEqual(['done', 1]);
  });

  test('may be one inside a stored value', async () => {
    const actor = RemoteService.remote();
    const pid = await get(actor.pid.remote());
    const ref = put([actor]);
    actor.dispose();
    const [back] = await get(ref);
    expect(await get(back!.count.remote())).toBe(1);
    back!.dispose();
    ref.dispose();
    await ended(pid);
  });

  test('does not end a detached actor', async () => {
    const actor = RemoteService.options({ name: 'detached', lifetime: 'detached' }).remote();
    expect(await get(actor.count.remote())).toBe(1);
    actor.dispose();
    await get(remote(() => 1).remote());
    const found = getActor<Service>('detached');
    expect(await get(found.count.remote())).toBe(2);
    kill(found);
    expect(() => getActor('detached')).toThrow(ActorNotFoundError);
  });
});

describe('kill', () => {
  test('rejects what is queued and running with ActorDiedError', async () => {
    const [started, end] = [gates.next(), gates.next()];
    const actor = RemoteService.remote();
    const running = actor.block.remote(started, end);
    const queued = actor.count.remote();
    await passGate(started);
    expect(kill(actor)).toBeUndefined();
    const error = await rejection<ActorDiedError>(get(running));
    expect(error).toBeInstanceOf(ActorDiedError);
    expect(error.code).toBe('ERR_EAGLERAY_ACTOR_DIED');
    expect(await rejection(get(queued))).toBeInstanceOf(ActorDiedError);
    expect(await rejection(get(actor.count.remote()))).toBeInstanceOf(ActorDiedError);
  });

  test('ends the process', async () => {
    const actor = RemoteService.remote();
    const pid = await get(actor.pid.remote());
    kill(actor);
    await ended(pid);
  });

  test('ends also what the actor has started, but for what it has detached', async () => {
    class Parent {
      start(detached: boolean): number {
        const { spawn } = process.getBuiltinModule('node:child_process');
        return spawn('sleep', ['1000'], { stdio: 'ignore', detached }).pid!;
      }
    }
    const actor = remote(Parent).remote();
    const [child, detached] = await get([actor.start.remote(false), actor.start.remote(true)]);
    kill(actor);
    await ended(child);
    expect(process.kill(detached, 'SIGKILL')).toBe(true);
  });

  test('frees the name at once', async () => {
    const Named = RemoteService.options({ name: 'again' });
    const first = Named.remote();
    await get(first.count.remote());
    kill(first);
    const second = Named.remote();
    expect(second.actorId).not.toBe(first.actorId);
    expect(await get(second.count.remote())).toBe(1);
  });

  test('twice does nothing more', () => {
    const actor = RemoteService.remote();
    kill(actor);
    kill(actor);
  });

  test('ignores maxRestarts', async () => {
    const actor = RemoteService.options({ maxRestarts: 5 }).remote();
    await get(actor.count.remote());
    kill(actor);
    expect(await rejection(get(actor.count.remote()))).toBeInstanceOf(ActorDiedError);
  });

  test('with noRestart: false restarts the actor and keeps what is queued', async () => {
    const [started, end] = [gates.next(), gates.next()];
    const actor = RemoteService.options({ maxRestarts: 1 }).remote();
    await get(actor.count.remote());
    const running = actor.block.remote(started, end);
    const queued = actor.count.remote();
    await passGate(started);
    kill(actor, { noRestart: false });
    expect(await rejection(get(running))).toBeInstanceOf(Error);
    // The state is that of a new instance.
    expect(await get(queued)).toBe(1);
  });

  test('with noRestart: false counts also for an actor that has no process yet', async () => {
    const mortal = RemoteService.remote();
    const other = RemoteService.options({ maxRestarts: 1 }).remote();
    kill(mortal, { noRestart: false });
    kill(other, { noRestart: false });
    expect(await rejection(get(mortal.count.remote()))).toBeInstanceOf(ActorDiedError);
    expect(await get(other.count.remote())).toBe(1);
  });

  test.each([1, null, undefined, {}])('of %o is an InvalidArgumentError', (wrong) => {
    expect(() => kill(wrong as unknown as AnyActorHandle)).toThrow(InvalidArgumentError);
  });

  test('with an unknown option is an InvalidArgumentError', () => {
    expect(() => kill(RemoteService.remote(), { force: true } as never)).toThrow(
      InvalidArgumentError,
    );
  });
});

describe('crashes', () => {
  test('end an actor without maxRestarts', async () => {
    const actor = RemoteService.remote();
    const pid = await get(actor.pid.remote());
    const error = await rejection<ActorDiedError>(get(actor.crash.remote()));
    expect(error).toBeInstanceOf(ActorDiedError);
    expect(error.signal).toBe('SIGKILL');
    expect(error.pid).toBe(pid);
    expect(await rejection(get(actor.count.remote()))).toBeInstanceOf(ActorDiedError);
  });

  test('restart it maxRestarts times, with a new state', async () => {
    const actor = RemoteService.options({ maxRestarts: 1 }).remote();
    expect(await get([actor.count.remote(), actor.count.remote()])).toEqual([1, 2]);
    await rejection(get(actor.crash.remote()));
    expect(await get(actor.count.remote())).toBe(1);
    await rejection(get(actor.crash.remote()));
    expect(await rejection(get(actor.count.remote()))).toBeInstanceOf(ActorDiedError);
  });

  test('are repeated with maxTaskRetries', async () => {
    const actor = RemoteService.options({ maxRestarts: 1, maxTaskRetries: 1 }).remote();
    expect(await get(actor.crashOnce.remote(gates.next()))).toBe('survived');
  });

  test('are repeated with the maxTaskRetries of the method', async () => {
    const actor = RemoteService.options({ maxRestarts: 1 }).remote();
    const method = actor.crashOnce.options({ maxTaskRetries: 1 });
    expect(await get(method.remote(gates.next()))).toBe('survived');
  });

  test('are not repeated without them', async () => {
    const actor = RemoteService.options({ maxRestarts: 1 }).remote();
    expect(await rejection(get(actor.crashOnce.remote(gates.next())))).toBeInstanceOf(Error);
    expect(await get(actor.count.remote())).toBe(1);
  });
});

describe('exitActor', () => {
  test('ends the actor', async () => {
    const actor = RemoteService.remote();
    const pid = await get(actor.pid.remote());
    expect(await rejection(get(actor.leave.remote()))).toBeInstanceOf(ActorDiedError);
    await ended(pid);
    expect(await rejection(get(actor.count.remote()))).toBeInstanceOf(ActorDiedError);
  });

  test('never restarts', async () => {
    const actor = RemoteService.options({ maxRestarts: 5 }).remote();
    await rejection(get(actor.leave.remote()));
    expect(await rejection(get(actor.count.remote()))).toBeInstanceOf(ActorDiedError);
  });

  test('outside of an actor is an InvalidArgumentError', async () => {
    expect(() => exitActor()).toThrow(InvalidArgumentError);
    const inTask = remote(() => {
      exitActor();
    });
    const error = await rejection<Error>(get(inTask.remote()));
    expect(error.cause).toBeInstanceOf(InvalidArgumentError);
  });
});

describe('terminate', () => {
  test('ends the actor after what is queued', async () => {
    const [started, end] = [gates.next(), gates.next()];
    const actor = RemoteService.remote();
    const pid = await get(actor.pid.remote());
    const running = actor.block.remote(started, end);
    const queued = actor.count.remote();
    terminate(actor);
    openGate(end);
    expect(await get([running, queued])).toEqual(['done', 1]);
    await ended(pid);
    expect(await rejection(get(actor.count.remote()))).toBeInstanceOf(ActorDiedError);
  });

  test('of something else is an InvalidArgumentError', () => {
    expect(() => terminate({} as AnyActorHandle)).toThrow(InvalidArgumentError);
  });
});

test('an actor whose process can not start is dead, and the error says why', async () => {
  const actor = RemoteService.options({ env: { NODE_OPTIONS: '--no-such-option' } }).remote();
  const error = await rejection<ActorDiedError>(get(actor.count.remote()));
  expect(error).toBeInstanceOf(ActorDiedError);
  expect(error.message).toContain('Service');
  expect(error.message).toContain('--no-such-option');
});

describe('constructors', () => {
  test('actorReady resolves when they have run', async () => {
    const actor = RemoteService.remote();
    expect(await get(actorReady(actor))).toBeUndefined();
  });

  class Failing {
    constructor() {
      throw new RangeError('constructor failed');
    }
    method(): number {
      return 1;
    }
  }

  test('that throw reach every call as ActorDiedError with the cause', async () => {
    const actor = remote(Failing).remote();
    for (const ref of [actor.method.remote(), actor.method.remote()]) {
      const error = await rejection<ActorDiedError>(get(ref));
      expect(error).toBeInstanceOf(ActorDiedError);
      let cause: unknown = error.cause;
      while (cause instanceof Error && !(cause instanceof RangeError)) cause = cause.cause;
      expect(cause).toBeInstanceOf(RangeError);
      expect((cause as Error).message).toBe('constructor failed');
    }
    expect(await rejection(get(actorReady(actor)))).toBeInstanceOf(ActorDiedError);
  });

  test('that throw do not restart', async () => {
    const log = gates.next();
    class Once {
      constructor(path: string) {
        if (existsSync(path)) openGate(`${path}-second`);
        openGate(path);
        throw new Error('no');
      }
      method(): void {}
    }
    const actor = remote(Once, { maxRestarts: 3 }).remote(log);
    expect(await rejection(get(actor.method.remote()))).toBeInstanceOf(ActorDiedError);
    expect(existsSync(`${log}-second`)).toBe(false);
  });

  test('whose process ends use up maxRestarts', async () => {
    class Crashing {
      constructor(path: string) {
        if (!existsSync(path)) {
          openGate(path);
          process.kill(process.pid, 'SIGKILL');
        }
      }
      method(): string {
        return 'there';
      }
    }
    const Remote = remote(Crashing);
    expect(await rejection(get(Remote.remote(gates.next()).method.remote()))).toBeInstanceOf(
      ActorDiedError,
    );
    const restarted = Remote.options({ maxRestarts: 1 }).remote(gates.next());
    expect(await get(restarted.method.remote())).toBe('there');
  });

  test('take refs, pending ones and failed ones', async () => {
    class Holder {
      value: unknown;
      constructor(value: unknown) {
        this.value = value;
      }
      read(): unknown {
        return this.value;
      }
    }
    const gate = gates.next();
    const pending = remote(async (path: string) => {
      await passGate(path);
      return 9;
    }).remote(gate);
    const holder = remote(Holder).remote(pending);
    const value = holder.read.remote();
    openGate(gate);
    expect(await get(value)).toBe(9);
    const failed = remote(() => {
      throw new RangeError('no');
    }).remote();
    expect(await rejection(get(remote(Holder).remote(failed).read.remote()))).toBeInstanceOf(
      ActorDiedError,
    );
  });
});

describe('resources', () => {
  test('what an actor holds is back when it has ended', async () => {
    const actor = RemoteService.options({ numCpus: 1, resources: { Slot: 1 } }).remote();
    const pid = await get(actor.pid.remote());
    expect(availableResources()).toMatchObject({ CPU: 1, Slot: 0 });
    kill(actor);
    await ended(pid);
    expect(await get(remote(() => 1, { resources: { Slot: 1 } }).remote())).toBe(1);
  });

  test('what the cluster can never have is refused at the call', () => {
    expect(() => RemoteService.options({ numCpus: 3 }).remote()).toThrow(InfeasibleResourcesError);
    expect(() => RemoteService.options({ resources: { Missing: 1 } }).remote()).toThrow(
      InfeasibleResourcesError,
    );
  });
});

describe('when a process dies', () => {
  test('the actors that it made end, the detached ones do not', async () => {
    class Maker {
      made: AnyActorHandle[] = [];
      async make(): Promise<number[]> {
        const RemoteMade = remote(Service);
        const plain = RemoteMade.remote();
        const detached = RemoteMade.options({ name: 'survivor', lifetime: 'detached' }).remote();
        this.made.push(plain, detached);
        return get([plain.pid.remote(), detached.pid.remote()]);
      }
    }
    const maker = remote(Maker).remote();
    const [plain, detached] = await get(maker.make.remote());
    kill(maker);
    await ended(plain!);
    expect(isAlive(detached!)).toBe(true);
    const survivor = getActor<Service>('survivor');
    expect(await get(survivor.count.remote())).toBe(1);
    kill(survivor);
  });
});
