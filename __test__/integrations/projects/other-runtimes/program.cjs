const ray = require('eagleray');
(async () => {
  const said = { imported: typeof ray.init, isInitialized: ray.isInitialized() };
  const square = ray.remote((x) => x * x);
  for (const [name, call] of Object.entries({
    init: () => ray.init(),
    remote: () => square.remote(2),
    put: () => ray.put(1),
    get: () => ray.get([]),
    allocate: () => ray.allocate(Float64Array, 10),
    shutdown: () => ray.shutdown(),
  })) {
    try {
      await call();
      said[name] = 'worked';
    } catch (error) {
      said[name] = [error.name, error.code, error.message, error instanceof ray.NotSupportedError];
    }
  }
  console.log(JSON.stringify(said));
})();
