/** Going through many things in small pages, with a word every two seconds. */
import { minId } from '@tally/core';

const pageSize = 500;
const progressEveryMs = 2_000;

/**
 * Calls `list` for page after page by id, and `work` with each page that is not empty; returns how many things there were.
 * `work` may remove what it gets.
 */
export async function eachPage<Thing>(
  options: { list: (page: { afterId: string; limit: number }) => Promise<Thing[]>; idOf: (thing: Thing) => string },
  work: (things: Thing[]) => Promise<void>,
): Promise<number> {
  let count = 0;
  let saidAt = performance.now();
  for (let afterId = minId; ; ) {
    const things = await options.list({ afterId, limit: pageSize });
    const last = things.at(-1);
    if (last === undefined) return count;
    await work(things);
    count += things.length;
    afterId = options.idOf(last);
    if (performance.now() - saidAt > progressEveryMs) {
      console.log(`… ${count}`);
      saidAt = performance.now();
    }
  }
}
