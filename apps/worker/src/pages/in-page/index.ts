/** The scripts that run inside a page, each a function in a file of its own. */
import { readFileSync } from 'node:fs';

/** The bare function: a page knows no modules. */
const read = (name: string) =>
  readFileSync(new URL(`./${name}.js`, import.meta.url), 'utf8').replace(/^export (?=function )/m, '');

/** What a page looks like from inside. */
export type Snapshot = {
  /** Null where it is longer than allowed. */
  html: string | null;
  title: string;
  /** What a small page shows; empty for any other. */
  text: string;
  /** Whether it asks its reader to prove that it is human. */
  captcha: boolean;
  /** False where time ran out before every element was looked at. */
  seen: boolean;
};

/** A script with the types of its argument and of what it returns; both travel as JSON. */
export type PageScript<Input, Output> = { source: string; input?: Input; output?: Output };

const script = <Input, Output>(name: string): PageScript<Input, Output> => ({ source: read(name) });

export const clickConsent = script<null, boolean>('click-consent');
export const hasProductData = script<null, boolean>('has-product-data');
export const scrollOn = script<{ to: 'next' | 'top' }, boolean>('scroll-on');
export const snapshot = script<{ maxMs: number; maxChars: number }, Snapshot>('snapshot');
