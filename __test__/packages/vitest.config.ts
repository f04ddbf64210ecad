import { defineConfig } from 'vitest/config';

/** Apart from the other tests: these need packages of their own, which `npm run test:packages` installs. */
export default defineConfig({
  test: {
    include: ['__test__/packages/*.test.ts'],
    globalSetup: ['__test__/packages/install.ts'],
    // Each is a program with a worker.
    maxConcurrency: 2,
    testTimeout: 120_000,
  },
});
