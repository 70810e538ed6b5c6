/** Reads, off a text, the things that it is about, and pairs of questions and answers. */
import { type Amount, amountsIn } from './money.ts';
import { sentencesOf } from './sentences.ts';
import { topics } from './topics.ts';

/** A heading with the lines below it, and the price there: its lowest and highest amount. */
export type Thing = { name: string; lines: string[]; price: Amount | undefined; highest: Amount | undefined };

const minProseChars = 25;

/** What a text offers: the thing of its first heading if that has a price, else every heading that has one. */
export function readThings(text: string): Thing[] {
  const things = blocksOf(text).map(({ name, lines }) => {
    const [price, highest] = priceIn(lines);
    return { name, lines, price, highest };
  });
  return things[0]?.price ? things.slice(0, 1) : things.filter(({ price }) => price !== undefined);
}

/** The headings of a markdown text; a text without any is one block, named by its first line. */
function blocksOf(text: string): { name: string; lines: string[] }[] {
  const plain = text
    // Pictures, and what is struck through.
    .replace(/!\[[^\]]*\]\([^)]*\)|~{1,2}[^~\n]+~{1,2}/g, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\*\*|\\(?=[^\w\s])/g, '');
  const [before = '', ...blocks] = plain.split(/^#{1,6} +/m);
  return (blocks.length > 0 ? blocks : [before.trim()]).map((block) => {
    const [name = '', ...lines] = block.split('\n').map((line) => line.trim());
    return { name, lines: lines.filter((line) => line !== '') };
  });
}

/** The amounts of the line that says least besides: others tell of shipping, savings or instalments. */
function priceIn(lines: string[]): Amount[] {
  const shareOf = (line: string, amounts: Amount[]): number =>
    amounts.reduce((chars, { text }) => chars + text.length, 0) / line.length;
  const priced = lines.map((line) => ({ line, amounts: amountsIn(line) }));
  const [best] = priced.sort((a, b) => shareOf(b.line, b.amounts) - shareOf(a.line, a.amounts));
  return best?.amounts ?? [];
}

/** The first line about a thing that is a sentence and states no amount. */
export const proseOf = ({ lines }: Thing): string =>
  lines.find((line) => line.length >= minProseChars && /[.!?。؟]$/.test(line) && amountsIn(line).length === 0) ?? '';

/** Up to `count` pairs whose answers are sentences of the text; none whose question stands in it. */
export function readPairs(text: string, count: number): { question: string; answer: string }[] {
  const blocks = text.includes('# ') ? blocksOf(text) : [{ name: subjectOf(text), lines: text.split('\n') }];
  const pairs = blocks.flatMap(({ name, lines }) =>
    lines.flatMap(sentencesOf).map((answer) => ({ question: questionFor(answer, name), answer })),
  );
  const distinct = new Map(pairs.reverse().map((pair) => [pair.question, pair]));
  // A sentence that asks tells nothing.
  const isNew = ({ question, answer }: (typeof pairs)[number]) => !/[?؟？]$/.test(answer) && !text.includes(question);
  return [...distinct.values()].reverse().filter(isNew).slice(0, count);
}

/** In English for a text in it; elsewhere the beginning of the sentence, which is right in any language. */
function questionFor(sentence: string, name: string): string {
  const topic = /^[\p{Script=Latin}\P{L}]*$/u.test(sentence) ? topics.find(({ tells }) => tells(sentence)) : undefined;
  return topic?.question(name) ?? `${name}: ${sentence.split(/\s+/).slice(0, 5).join(' ')} …?`;
}

/** "The Aurora lamp" of "The Aurora lamp costs 129 EUR." */
const subjectOf = (text: string): string =>
  /^(.{1,60}?) (?:costs?|is|are|has|have|comes?|takes?) /.exec(text)?.[1] ?? text.split(/\s+/).slice(0, 4).join(' ');
