import ray = require('eagleray');

const doubled: ray.ObjectRef<number> = ray.remote((x: number) => x * 2).remote(21);
export const answer: Promise<number> = ray.get(doubled);
// @ts-expect-error An argument of the wrong type.
ray.remote((x: number) => x * 2).remote('21');
