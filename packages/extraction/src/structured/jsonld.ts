/** Reads the JSON-LD blocks of a page. */
import type { CheerioAPI } from 'cheerio';
import { parseTolerant } from './json.ts';
import { withBareKeys } from './linked-data.ts';

/** Above any legitimate number of blocks. */
const maxBlocks = 200;

/** The values of all valid blocks; an invalid block does not affect the others. */
export function readJsonLd($: CheerioAPI): unknown[] {
  const blocks = $('script')
    .get()
    .filter((script) => /^\s*application\/ld\+json/i.test(script.attribs.type ?? ''));
  return blocks.slice(0, maxBlocks).flatMap((script) => withBareKeys(parseTolerant($(script).text())) ?? []);
}
