// Ask and tell: the search without anything that runs it. Run it: node examples/tune/ask-tell.ts
import { Study, choice, uniform } from 'eagleray/tune';

const study = new Study({
  space: { shape: choice(['wave', 'bowl']), x: uniform(-5, 5) },
  metric: 'y',
  mode: 'min',
  seed: 1,
});
for (let i = 0; i < 60; i++) {
  const trial = study.ask();
  const { shape, x } = trial.config;
  study.tell(trial, { y: shape === 'wave' ? Math.sin(3 * x) + (x * x) / 10 : (x - 2) ** 2 });
}
console.log(
  'best',
  study.best.config,
  'with y',
  study.best.metrics['y'],
  'of',
  study.trials.length,
);
