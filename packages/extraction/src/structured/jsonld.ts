/** Reads the JSON-LD blocks of a page. */
import type { CheerioAPI } from 'cheerio';
import { parseTolerant } from './json.ts';
import { withBareKeys } from './linked-data.ts';

/** More blocks than any honest page has. */
const maxBlocks = 200;

/** The value of each block that holds one. A broken block spoils no other. */
export function readJsonLd($: CheerioAPI): unknown[] {
  const blocks = $('script')
    .get()
    .filter((script) => /^\s*application\/ld\+json/i.test(script.attribs.type ?? ''));
  return blocks.slice(0, maxBlocks).flatMap((script) => withBareKeys(parseTolerant($(script).text())) ?? []);
}
