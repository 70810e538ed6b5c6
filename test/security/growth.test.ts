/** What reads other people's texts takes twice as long for twice the text: each gets its worst, at its limit and at half. */
import { maxQuestionCharacters, maxSourceCharacters, minTokensOf } from '@tally/tasks';
import { describe, expect, it } from 'vitest';
import { createMatcher } from '../../apps/api/src/instagram/match-workflow.ts';
import { readOptOut } from '../../apps/api/src/instagram/opting-out.ts';
import { readEvents } from '../../apps/api/src/instagram/read-events.ts';
import { limits } from '../../apps/api/src/limits.ts';
import { cutReply } from '../../apps/worker/src/instagram/text.ts';
import { escapeControlTokens } from '../../apps/worker/src/model/control-tokens.ts';
import { countText } from '../../apps/worker/src/model/count.ts';
import { readJson, wholeSentences, stripReasoning } from '../../apps/worker/src/model/reply.ts';
import { normalise, toPassages, toQuery } from '../../packages/db/src/search-terms.ts';
import { isSupported } from '../../packages/tasks/src/product-qa/evidence.ts';
import { delimit } from '../../packages/tasks/src/untrusted-text.ts';

/** Twice as long for twice the text is 2, its square 4; what takes less than this is not worth a look. */
const maxGrowth = 3;
const noticedMs = 4;
const tries = 5;

let runs = 0;
/** The best of some runs: others work on this machine, too. Each text is a new one, for some results are remembered. */
function bestMs(work: (text: string) => unknown, textOf: (run: number) => string): number {
  const times = Array.from({ length: 3 }, () => {
    const text = textOf(runs++);
    const start = process.threadCpuUsage();
    work(text);
    return process.threadCpuUsage(start).user / 1_000;
  });
  return Math.min(...times);
}

function growthOf(work: (text: string) => unknown, textOf: (characters: number, run: number) => string, most: number) {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries && least > maxGrowth; i++) {
    const half = bestMs(work, (run) => textOf(Math.floor(most / 2), run));
    const whole = bestMs(work, (run) => textOf(most, run));
    least = Math.min(least, whole < noticedMs ? 1 : whole / half);
  }
  return least;
}

/** Runs of one thing, and of two in turn: what is one piece, or none, to a tokenizer, a segmenter or an expression. */
// biome-ignore format: a list
const bits = [
  'a', 'é', 'ا', 'ها', '漢', 'あ', 'ก', '한', '\u0301', '😀', '👨‍👩‍👧', '7', '1,', '1.2 ', ' ', '\u3000', '\u00a0', '\t', '\n', '\r\n', '\n\n',
  '.', '. ', '!', '¶', '-', '_', '<', '</', '<|', '< ', '[', '[1]', '{', '"', '\\', '```\n', '<think>', '</think>', 'a ', 'a.', "a'", 'aA', 'a1',
  '\u200c', '\u0640', 'https://a.b/', '0000',
];
const worst = bits.map((bit) => ({
  name: JSON.stringify(bit),
  textOf: (characters: number, run: number) =>
    `${run} ${bit.repeat(Math.ceil(characters / bit.length))}`.slice(0, characters),
}));

const keywords = (letter: string) =>
  Array.from({ length: limits.maxKeywords }, (_, i) => letter.repeat(Math.min(limits.maxKeywordCharacters, 2 * i + 1)));
const matchers = ['a', 'ا', 'あ', ' ', 'a '].map((letter) =>
  createMatcher(
    Array.from({ length: limits.maxWorkflows }, (_, i) => ({
      id: String(i),
      keywords: keywords(letter).map((keyword) => `${normalise(keyword).trim()}${i % 2 === 0 ? '' : 'x'}`),
      mediaIds: [],
      productId: null,
    })),
  ),
);

const parsers: [string, (text: string) => unknown, number][] = [
  ['a comment and its workflows', (text) => matchers.map((match) => match({ text, mediaIds: [] })), 2_200],
  ['a word that opts out', readOptOut, maxQuestionCharacters],
  ['knowledge, cut for search', (text) => toPassages({ title: 'T', text }), limits.maxKnowledgeCharacters],
  ['a question to search for', toQuery, maxQuestionCharacters],
  ['the count of tokens', countText, maxSourceCharacters],
  ['the least of tokens', minTokensOf, maxSourceCharacters],
  ['a fence around a text', (text) => delimit('context', text), maxSourceCharacters],
  ['control tokens', (text) => escapeControlTokens([{ role: 'user', content: text }]), maxSourceCharacters],
  ['a reply for Instagram', cutReply, maxSourceCharacters],
  ['thoughts in an answer', stripReasoning, maxSourceCharacters],
  ['JSON in an answer', readJson, maxSourceCharacters],
  ['whole sentences of an answer', wholeSentences, maxSourceCharacters],
  [
    'what a source says',
    (text) => isSupported({ question: 'What?', answer: text.slice(0, 2_000) }, text),
    maxSourceCharacters,
  ],
];

describe.each(parsers)('%s', (_name, work, most) => {
  it('takes twice as long for twice the text, whatever stands in it', { timeout: 120_000 }, () => {
    const slow = worst
      .map(({ name, textOf }) => ({ name, growth: growthOf(work, textOf, most) }))
      .filter(({ growth }) => growth > maxGrowth);
    expect(slow).toEqual([]);
  });
});

describe('a webhook of the largest size', () => {
  const comment = (id: number) => ({ field: 'comments', value: { id: `c${id}`, text: 'a', from: { id: '1' } } });
  const bodyOf = (comments: number) => ({
    object: 'instagram',
    entry: [{ id: '1', time: 1, changes: Array.from({ length: comments }, (_, i) => comment(i)) }],
  });

  it('takes twice as long for twice the events', () => {
    const work = (text: string) => readEvents(JSON.parse(text), new Date());
    const growth = growthOf(work, (comments) => JSON.stringify(bodyOf(comments)), 10_000);
    expect(growth).toBeLessThan(maxGrowth);
  });
});
