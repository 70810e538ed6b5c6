import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Starts the files of minutes first: one that comes last would keep one core busy alone. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => /\/(?:test\/system|apps\/launcher)\//.test(moduleId);
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    include: ['{apps,packages}/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['packages/testing/src/vitest/global-setup.ts'],
    // Real services on small machines: a test that waits for a lease to run out takes its time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Loading the libraries again for each file took half of the time; files share nothing but them.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    // Most of the time is spent waiting for leases and processes; two cores are shared with all of these.
    maxWorkers: 4,
  },
});
