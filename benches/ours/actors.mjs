// Rates of actor calls: the actor loops of `ray microbenchmark`.

import { availableParallelism } from 'node:os';
import { get, remote } from 'eagleray';
import { rate } from '../harness/measure.mjs';
import { Actor, AsyncActor, callActors, Client } from './remote-code.mjs';

const IN_FLIGHT = 1_000;
const CALLERS = 4;
const CALLS_PER_CALLER = 5_000;
const CALLS_WITH_ARGUMENT = 1_000;
// As many actors as Ray's loops make: half of the CPUs.
const MANY_ACTORS = Math.max(1, availableParallelism() >> 1);

const RemoteActor = remote(Actor, { numCpus: 0 });
const RemoteAsyncActor = remote(AsyncActor);
const RemoteClient = remote(Client, { numCpus: 0 });

const times = (count, make) => Array.from({ length: count }, (_, index) => make(index));

const callSync = (id, makeActor) => ({
  async run(settings) {
    const actor = makeActor();
    return { rows: { [id]: await rate(settings, () => get(actor.smallValue.remote())) } };
  },
});

const callAsync = (id, makeActor) => ({
  async run(settings) {
    const actor = makeActor();
    const calls = () => get(times(IN_FLIGHT, () => actor.smallValue.remote()));
    return { rows: { [id]: await rate(settings, calls, IN_FLIGHT) } };
  },
});

const oneToMany = (id, makeActor) => ({
  async run(settings) {
    const actors = times(MANY_ACTORS, makeActor);
    const client = RemoteClient.remote(actors);
    const calls = () => get(client.smallValueBatch.remote(CALLS_PER_CALLER));
    return { rows: { [id]: await rate(settings, calls, CALLS_PER_CALLER * actors.length) } };
  },
});

const manyToMany = (id, makeActor) => ({
  async run(settings) {
    const actors = times(MANY_ACTORS, makeActor);
    const work = remote(callActors);
    const calls = () => get(times(CALLERS, () => work.remote(actors, CALLS_PER_CALLER)));
    return { rows: { [id]: await rate(settings, calls, CALLERS * CALLS_PER_CALLER) } };
  },
});

const makeActor = () => RemoteActor.remote();
const makeAsyncActor = () => RemoteAsyncActor.remote();

export const actorCases = {
  'actor-sync': callSync('actor-sync', makeActor),
  'actor-async': callAsync('actor-async', makeActor),
  'actor-concurrent': callAsync('actor-concurrent', () =>
    RemoteActor.options({ maxConcurrency: 16 }).remote(),
  ),
  'actor-one-to-many': oneToMany('actor-one-to-many', makeActor),
  'actor-many-to-many': manyToMany('actor-many-to-many', makeActor),
  'actor-many-to-many-argument': {
    async run(settings) {
      const clients = times(MANY_ACTORS, () => RemoteClient.remote([makeActor()]));
      const calls = () =>
        get(clients.map((client) => client.smallValueArgumentBatch.remote(CALLS_WITH_ARGUMENT)));
      return {
        rows: {
          'actor-many-to-many-argument': await rate(
            settings,
            calls,
            CALLS_WITH_ARGUMENT * clients.length,
          ),
        },
      };
    },
  },
  'async-actor-sync': callSync('async-actor-sync', makeAsyncActor),
  'async-actor-async': callAsync('async-actor-async', makeAsyncActor),
  'async-actor-argument': {
    async run(settings) {
      const actor = makeAsyncActor();
      const calls = () => get(times(IN_FLIGHT, (index) => actor.smallValueArgument.remote(index)));
      return { rows: { 'async-actor-argument': await rate(settings, calls, IN_FLIGHT) } };
    },
  },
  'async-actor-one-to-many': oneToMany('async-actor-one-to-many', makeAsyncActor),
  'async-actor-many-to-many': manyToMany('async-actor-many-to-many', makeAsyncActor),
};
