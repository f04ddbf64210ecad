// Ends in the way that its argument names, right after a task has written more than a pipe holds.
import { get, getSync, init, remote, shutdown } from 'eagleray';

const LINES = 20_000;

const talk = remote(async function talk(count) {
  for (let index = 0; index < count; index++) console.log(`line ${index} ${'.'.repeat(40)}`);
  console.log(`long ${'y'.repeat(300_000)}`);
  console.error('the last words');
});

await init({ numCpus: 1 });
const how = process.argv[2];
if (how === 'exit at once') {
  // The event loop has not turned since the first line, so all of them are still under way.
  getSync(talk.remote(LINES));
  process.exit(0);
}
await get(talk.remote(LINES));
if (how === 'shutdown') await shutdown();
if (how === 'exit') process.exit(0);
if (how === 'throw') throw new Error('on purpose');
