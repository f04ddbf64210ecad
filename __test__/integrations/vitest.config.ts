import { defineConfig } from 'vitest/config';

/** Apart from the other tests: these need packages of their own, which `npm run test:integrations` installs. */
export default defineConfig({
  test: {
    include: ['__test__/integrations/*.test.ts'],
    globalSetup: ['__test__/integrations/install.ts'],
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
