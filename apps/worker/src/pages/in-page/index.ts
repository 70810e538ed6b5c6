/** The scripts that run inside a page, each one function in its own file. */
import { readFileSync } from 'node:fs';

/** The source without `export`, since a script evaluated in a page is not a module. */
const read = (name: string) =>
  readFileSync(new URL(`./${name}.js`, import.meta.url), 'utf8').replace(/^export (?=function )/m, '');

/** The content of a page, as read from inside it. */
export type Snapshot = {
  /** Null if it is longer than allowed. */
  html: string | null;
  title: string;
  /** The visible text of a small page; empty for a larger one. */
  text: string;
  /** Whether the page contains a captcha. */
  captcha: boolean;
  /** False if time ran out before every element was checked. */
  seen: boolean;
};

/** A script with the types of its argument and result, which are passed as JSON. */
export type PageScript<Input, Output> = { source: string; input?: Input; output?: Output };

const script = <Input, Output>(name: string): PageScript<Input, Output> => ({ source: read(name) });

export const clickConsent = script<null, boolean>('click-consent');
export const hasProductData = script<null, boolean>('has-product-data');
export const scrollOn = script<{ to: 'next' | 'top' }, boolean>('scroll-on');
export const snapshot = script<{ maxMs: number; maxChars: number }, Snapshot>('snapshot');
