/** Runs `work`, prints how long it took under the name `label`, and gives its result. */
export async function timed<T>(label: string, work: () => T | Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work();
  console.log(`${label}: ${(performance.now() - start).toFixed(1)} ms`);
  return result;
}
