// The entry file runs once, whatever workers do.
import { get, init, remote, shutdown } from 'eagleray';

console.log(`entry ${process.pid}`);
await init({ numCpus: 2 });
class Inside {
  run() {
    return 1;
  }
}
await get([remote(() => 1).remote(), remote(Inside).remote().run.remote()]);
await shutdown();
