import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{apps,packages}/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['packages/testing/src/vitest/global-setup.ts'],
    // Real services on small machines: a test that waits for a lease to run out takes its time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Loading the libraries again for each file took half of the time; files share nothing but them.
    isolate: false,
    // Two cores are shared with Postgres, Redis and the processes under test.
    maxWorkers: 2,
  },
});
