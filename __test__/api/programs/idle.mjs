// Ends by itself although nobody calls shutdown: nothing is awaited.
import { get, init, put, remote } from 'eagleray';

await init({ numCpus: 1 });
class Idle {
  run() {
    return process.pid;
  }
}
const actor = remote(Idle).remote();
const pid = await get(actor.run.remote());
put(new Float64Array(100_000));
remote(() => new Promise(() => undefined)).remote();
console.log(`actor ${pid}`);
