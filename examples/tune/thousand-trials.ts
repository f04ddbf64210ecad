/**
 * A thousand quick trials: how long tuning itself takes, beside what is tuned.
 *
 * Run it: node examples/tune/thousand-trials.ts
 */
import { Tuner, tpe, uniform } from 'eagleray/tune';

const start = performance.now();
const results = await new Tuner(
  ({ x, y }) => ({ loss: (1 - x) ** 2 + 100 * (y - x * x) ** 2 }), // Rosenbrock's valley.
  {
    space: { x: uniform(-2, 2), y: uniform(-1, 3) },
    metric: 'loss',
    mode: 'min',
    numSamples: 1000,
    search: tpe(),
    storagePath: null, // Nothing is written.
    reporter: 'silent',
  },
).fit();

const ms = performance.now() - start;
console.log(
  `${results.length} trials in ${ms.toFixed(0)} ms: ${(ms / results.length).toFixed(1)} ms each`,
);
console.log('what matters:', results.importances());
console.log('best loss', results.best.metrics['loss'], 'at', results.best.config);
