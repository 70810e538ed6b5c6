/** Processes many rows in pages and prints the progress every two seconds. */
import { minId } from '@tally/core';

const pageSize = 500;
const progressEveryMs = 2_000;

/**
 * Calls `list` for one page after another by id, and `work` with each non-empty page; returns the number of rows.
 * `work` may delete them.
 */
export async function eachPage<Row>(
  options: { list: (page: { afterId: string; limit: number }) => Promise<Row[]>; idOf: (row: Row) => string },
  work: (rows: Row[]) => Promise<void>,
): Promise<number> {
  let count = 0;
  let printedAt = performance.now();
  for (let afterId = minId; ; ) {
    const rows = await options.list({ afterId, limit: pageSize });
    const last = rows.at(-1);
    if (last === undefined) return count;
    await work(rows);
    count += rows.length;
    afterId = options.idOf(last);
    if (performance.now() - printedAt > progressEveryMs) {
      console.log(`… ${count}`);
      printedAt = performance.now();
    }
  }
}
