/** Picks the sentences of a context that share the most telling words with a question. */
import { type Passage, splitPassages } from './context.ts';
import { remember } from './remember.ts';
import { words } from './words.ts';

export type MatchedSentence = { text: string; marker: number | undefined };

type Sentence = MatchedSentence & { own: ReadonlySet<string>; title: ReadonlySet<string> };

const maxSentences = 3;
const maxSentenceChars = 500;
/** At least this share of the question's weight must be found; below it, shared words are chance. */
const minScore = 0.25;
/** A further sentence is worth adding if it is nearly as good as the best one. */
const nearBest = 0.75;
/** A title says what a passage is about, but the answer is more likely in a sentence that has the word itself. */
const titleShare = 0.8;

/** The 1 to 3 sentences of `context` that answer `question` best, in their order; none if nothing matches. */
export function matchSentences(question: string, context: string): MatchedSentence[] {
  const asked = new Set(words(question));
  if (asked.size === 0) return [];
  const sentences = sentencesOf(context);
  const weights = weigh(asked, sentences);
  const scored = sentences.map((sentence, place) => ({ sentence, place, score: score(sentence, weights) }));
  const best = Math.max(0, ...scored.map((candidate) => candidate.score));
  if (best < minScore) return [];
  return scored
    .filter((candidate) => candidate.score >= best * nearBest)
    .sort((a, b) => b.score - a.score)
    .slice(0, maxSentences)
    .sort((a, b) => a.place - b.place)
    .map(({ sentence: { text, marker } }) => ({ text, marker }));
}

const sentencesOf = remember({ maxTexts: 100, maxChars: 32_768 }, (context) =>
  splitPassages(context).flatMap(splitSentences),
);

function splitSentences(passage: Passage): Sentence[] {
  const title = new Set(words(passage.title));
  const sentences = passage.text.split(/\n+|(?<=[.!?؟])\s+|(?<=[。！？])/).filter((sentence) => sentence.trim() !== '');
  return (sentences.length > 0 ? sentences : [passage.title]).map((sentence) => ({
    text: sentence.trim().slice(0, maxSentenceChars).toWellFormed(),
    marker: passage.marker,
    own: new Set(words(sentence)),
    title,
  }));
}

/** The rarer a word among the sentences, the more it tells (inverse document frequency). */
function weigh(asked: ReadonlySet<string>, sentences: readonly Sentence[]): Map<string, number> {
  const weights = new Map<string, number>();
  for (const word of asked) {
    const holders = sentences.filter(({ own, title }) => own.has(word) || title.has(word)).length;
    weights.set(word, Math.log(1 + (sentences.length + 1) / (holders + 0.5)));
  }
  return weights;
}

/** The share of the question's weight that a sentence and its title hold, 0 to 1. */
function score({ own, title }: Sentence, weights: ReadonlyMap<string, number>): number {
  let held = 0;
  let whole = 0;
  for (const [word, weight] of weights) {
    whole += weight;
    if (own.has(word)) held += weight;
    else if (title.has(word)) held += weight * titleShare;
  }
  return held / whole;
}
