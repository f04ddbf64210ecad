/** Writes all outputs of an experiment into a folder, for `read-outputs.py`: `npx tsx write-outputs.ts FOLDER`. */

import { writeOutputs } from '../../../bindings/typescript/src/tune/outputs/write-outputs.ts';
import { largeExperiment } from '../outputs-experiment.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('a folder has to be given');
const experiment = largeExperiment({ trials: 120, iterations: 30, text: ' "a",\r\nb' });
await writeOutputs(folder, experiment, ['csv', 'jsonl', 'tensorboard', 'html']);
console.log(`${experiment.trials.length} trials in ${folder}`);
