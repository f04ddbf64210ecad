import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['__test__/**/*.test.ts'],
    // These need packages of their own: `npm run test:integrations`, `npm run test:packages`.
    exclude: ['**/node_modules/**', '__test__/integrations/**', '__test__/packages/**'],
    setupFiles: ['__test__/setup/leaves-nothing.ts'],
    // Tests start processes of their own, and some of them eight workers: two files at a time fill two cores.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    server: { deps: { external: [/\/dist\//] } },
  },
});
