/** The sandbox's own pages, for whoever opens it in a browser. */
import { readFileSync } from 'node:fs';

export const pageOf = (name: 'home' | 'instagram' | 'mailbox'): string =>
  readFileSync(new URL(`pages/${name}.html`, import.meta.url), 'utf8');
