const ray = require('eagleray');
const two = 2;
test('twice, first', async () => {
  expect(await ray.get(ray.remote((x) => x * two).remote(21))).toBe(42);
});
test('an actor and its error', async () => {
  class Wrong extends RangeError {}
  class Failing {
    fail() {
      throw new Wrong('no');
    }
  }
  const error = await ray.get(ray.remote(Failing).remote().fail.remote()).catch((each) => each);
  expect(error).toBeInstanceOf(ray.TaskError);
  expect(error.cause).toBeInstanceOf(RangeError);
});
