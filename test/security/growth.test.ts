/** Parsers of untrusted text run in linear time: each gets adversarial texts at its limit and at half of it. */
import { maxQuestionCharacters, maxSourceCharacters, minTokensOf } from '@tally/tasks';
import { describe, expect, it } from 'vitest';
import { createMatcher } from '../../apps/api/src/instagram/match-workflow.ts';
import { readOptOut } from '../../apps/api/src/instagram/opting-out.ts';
import { readEvents } from '../../apps/api/src/instagram/read-events.ts';
import { limits } from '../../apps/api/src/limits.ts';
import { cutReply } from '../../apps/worker/src/instagram/text.ts';
import { escapeControlTokens } from '../../apps/worker/src/model/control-tokens.ts';
import { countText } from '../../apps/worker/src/model/count.ts';
import { readJson, stripReasoning, wholeSentences } from '../../apps/worker/src/model/reply.ts';
import { normalise, toPassages, toQuery } from '../../packages/db/src/search-terms.ts';
import { isSupported } from '../../packages/tasks/src/product-qa/evidence.ts';
import { delimit } from '../../packages/tasks/src/untrusted-text.ts';

/** Time for the whole text over time for half: linear is 2, quadratic 4. */
const maxGrowth = 3;
/** Shorter times are too noisy to compare. */
const minMeasurableMs = 4;
const tries = 5;

let runs = 0;
/** CPU time of the fastest of three runs, in ms. Every run has a new text, since some results are cached. */
function bestMs(work: (text: string) => unknown, textOf: (run: number) => string): number {
  const times = Array.from({ length: 3 }, () => {
    const text = textOf(runs++);
    const start = process.threadCpuUsage();
    work(text);
    const { user, system } = process.threadCpuUsage(start);
    return (user + system) / 1_000;
  });
  return Math.min(...times);
}

function growthOf(work: (text: string) => unknown, textOf: (characters: number, run: number) => string, most: number) {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries && least > maxGrowth; i++) {
    const half = bestMs(work, (run) => textOf(Math.floor(most / 2), run));
    const whole = bestMs(work, (run) => textOf(most, run));
    least = Math.min(least, whole < minMeasurableMs ? 1 : whole / half);
  }
  return least;
}

/** Repeated fragments that are hard for tokenizers, segmenters and regular expressions. */
// biome-ignore format: a list
const fragments = [
  'a', 'é', 'ا', 'ها', '漢', 'あ', 'ก', '한', '\u0301', '😀', '👨‍👩‍👧', '7', '1,', '1.2 ', ' ', '\u3000', '\u00a0', '\t', '\n', '\r\n', '\n\n',
  '.', '. ', '!', '¶', '-', '_', '<', '</', '<|', '< ', '[', '[1]', '{', '"', '\\', '```\n', '<think>', '</think>', 'a ', 'a.', "a'", 'aA', 'a1',
  '\u200c', '\u0640', 'https://a.b/', '0000',
];
const worst = fragments.map((fragment) => ({
  name: JSON.stringify(fragment),
  textOf: (characters: number, run: number) =>
    `${run} ${fragment.repeat(Math.ceil(characters / fragment.length))}`.slice(0, characters),
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
  ['opt-out words', readOptOut, maxQuestionCharacters],
  ['knowledge, split into passages', (text) => toPassages({ title: 'T', text }), limits.maxKnowledgeCharacters],
  ['a search query', toQuery, maxQuestionCharacters],
  ['token counting', countText, maxSourceCharacters],
  ['the minimum token estimate', minTokensOf, maxSourceCharacters],
  ['delimited untrusted text', (text) => delimit('context', text), maxSourceCharacters],
  ['control-token escaping', (text) => escapeControlTokens([{ role: 'user', content: text }]), maxSourceCharacters],
  ['a reply for Instagram', cutReply, maxSourceCharacters],
  ['reasoning in an answer', stripReasoning, maxSourceCharacters],
  ['JSON in an answer', readJson, maxSourceCharacters],
  ['whole sentences of an answer', wholeSentences, maxSourceCharacters],
  [
    'evidence in a source',
    (text) => isSupported({ question: 'What?', answer: text.slice(0, 2_000) }, text),
    maxSourceCharacters,
  ],
];

describe.each(parsers)('%s', (_name, work, most) => {
  it('takes linear time for adversarial texts', { timeout: 120_000 }, () => {
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

  it('takes linear time in its events', () => {
    const work = (text: string) => readEvents(JSON.parse(text), new Date());
    const growth = growthOf(work, (comments) => JSON.stringify(bodyOf(comments)), 10_000);
    expect(growth).toBeLessThan(maxGrowth);
  });
});
