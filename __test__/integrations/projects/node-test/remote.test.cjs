const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const ray = require('eagleray');
const { square } = require('./math.js');

const factor = 3;
class Wrong extends Error {
  status = 400;
}
class Counter {
  #total = 0;
  add(by) {
    return (this.#total += by);
  }
}

describe('eagleray in node:test', () => {
  before(() => ray.init({ numCpus: 2 }));
  after(() => ray.shutdown());

  it('runs functions of the test file and of a module', async () => {
    assert.equal(await ray.get(ray.remote((x) => square(x) * factor).remote(4)), 48);
    assert.equal(await ray.get(ray.remote(square).remote(5)), 25);
  });
  it('runs actors', async () => {
    const counter = ray.remote(Counter).remote();
    await ray.get(counter.add.remote(2));
    assert.equal(await ray.get(counter.add.remote(3)), 5);
  });
  it('keeps the classes of errors', async () => {
    const failing = ray.remote(() => {
      throw new Wrong('no');
    });
    await assert.rejects(ray.get(failing.remote()), (error) => {
      assert(error instanceof ray.TaskError && error.cause instanceof Wrong);
      assert.equal(error.cause.status, 400);
      return true;
    });
  });
  it('is one runtime, imported or required', async () => {
    assert.equal((await import('eagleray')).get, ray.get);
  });
});
