// Ends in the way that its argument names, right after a task has written more than a pipe holds.
import { get, init, remote, shutdown } from 'eagleray';

const LINES = 20_000;

const talk = remote(async function talk(count) {
  for (let index = 0; index < count; index++) console.log(`line ${index} ${'.'.repeat(40)}`);
  console.log(`long ${'y'.repeat(300_000)}`);
  console.error('the last words');
});

await init({ numCpus: 1 });
await get(talk.remote(LINES));
const how = process.argv[2];
if (how === 'shutdown') await shutdown();
if (how === 'exit') process.exit(0);
if (how === 'throw') throw new Error('on purpose');
