/**
 * Goes on after a kill. Run it, kill it in whatever way, run it again: trials that have ended stay, the others go on from
 * their last checkpoints, and what comes out is what would have come out anyway.
 *
 * Run it: node examples/tune/resume.ts
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Tuner, getCheckpoint, report, uniform } from 'eagleray/tune';

async function train({ rate }: { rate: number }): Promise<void> {
  let { step, x } = (await getCheckpoint<{ step: number; x: number }>()?.load()) ?? {
    step: 0,
    x: 1,
  };
  while (step < 10) {
    await sleep(50); // Stands for real work.
    x -= rate * x;
    step++;
    await report({ loss: x ** 2 }, { checkpoint: { step, x } });
  }
}

const path = './eagleray_results/resume';
const isNew = !Tuner.canRestore(path);
console.log(isNew ? 'begins; kill it, and run it again' : 'goes on');
const tuner = isNew
  ? new Tuner(train, {
      space: { rate: uniform(0, 1) },
      metric: 'loss',
      mode: 'min',
      numSamples: 12,
      seed: 1,
      name: 'resume',
    })
  : Tuner.restore(path, train);
const results = await tuner.fit();
console.log(
  `${results.numTerminated} of ${results.length} trials done, best rate ${results.best.config.rate}`,
);
