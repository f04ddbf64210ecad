// Prints from a task, a named actor and an unnamed one, on both streams.
import { get, init, remote, shutdown } from 'eagleray';

class Speaker {
  speak(text) {
    console.log(text);
    return process.pid;
  }
}

await init({ numCpus: 2 });
const task = remote(function speaking() {
  console.log('from the task');
  console.error('from the task on stderr');
  process.stdout.write('two\nlines\n');
  return process.pid;
});
const RemoteSpeaker = remote(Speaker);
const pids = await get([
  task.remote(),
  RemoteSpeaker.remote().speak.remote('from the actor'),
  RemoteSpeaker.options({ name: 'orator' }).remote().speak.remote('from the named actor'),
]);
await shutdown();
console.log(`pids ${pids.join(' ')}`);
