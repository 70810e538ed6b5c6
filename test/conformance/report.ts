/** Console output: one line per case, and the totals at the end. */

export type Report = {
  section(title: string): void;
  /** Runs one case: it passes unless it throws. */
  check(name: string, work: () => Promise<void>): Promise<void>;
  /** Reports a case that this command can't run. */
  skip(name: string, why: string): void;
  /** Prints the totals; returns true where no case failed. */
  end(): boolean;
};

/** Creates a report that prints to the console. */
export function createReport(): Report {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const started = Date.now();
  return {
    section: (title) => console.log(`\n${title}`),
    async check(name, work) {
      const began = Date.now();
      try {
        await work();
        counts.passed++;
        console.log(`  ✓ ${name} (${Date.now() - began} ms)`);
      } catch (error) {
        counts.failed++;
        console.log(`  ✗ ${name}\n      ${String((error as Error).message).replaceAll('\n', '\n      ')}`);
      }
    },
    skip(name, why) {
      counts.skipped++;
      console.log(`  - ${name}: ${why}`);
    },
    end() {
      console.log(`\n${((Date.now() - started) / 1_000).toFixed(0)} s`);
      const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
      console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
      return counts.failed === 0;
    },
  };
}

/** @throws with both values where their JSON differs */
export function expectSame(what: string, actual: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: got ${a}, expected ${b}`);
}

/** @throws with `what` where `holds` is false */
export function expectThat(what: string, holds: boolean): void {
  if (!holds) throw new Error(what);
}
