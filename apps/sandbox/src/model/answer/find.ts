/** Finds the sentences of a material that answer a question: those that share the most telling words with it. */
import type { Material } from './material.ts';
import { sentencesOf, wordsOf } from './sentences.ts';
import { topics } from './topics.ts';

/** A sentence, and the number of the passage it is from where those are numbered. */
type Sentence = { text: string; source: number | undefined; own: Set<string>; title: Set<string> };

const maxSentences = 3;
/** At least this share of the question's weight must be found; below it, shared words are chance. */
const minScore = 0.25;
/** A further sentence is worth adding if it is nearly as good as the best one. */
const nearBest = 0.75;
/** A title says what a passage is about, but the answer is more likely in a sentence that has the word itself. */
const titleShare = 0.8;
/** For a sentence that tells what is asked though it may share no word: "How much?" and "It costs 129 EUR". */
const topicBonus = 0.6;

/** At most three sentences, the best first; none where nothing matches. */
export function findAnswer({ question, earlier, text }: Material): Sentence[] {
  const sentences = text.split(/^(?=\s*\[\d+\])/m).flatMap(readPassage);
  const asked = topics.filter(({ asks }) => asks.test(question));
  const isOnePassage = new Set(sentences.map(({ source }) => source)).size === 1;
  const weights = weigh(wordsOf(`${earlier}\n${question}`), sentences);
  const scored = sentences.map((sentence) => {
    const shared = shareOf(weights, sentence);
    const tells = asked.some((topic) => topic.tells(sentence.text)) && (shared > 0 || isOnePassage);
    return { sentence, score: shared + (tells ? topicBonus : 0) };
  });
  const best = Math.max(...scored.map(({ score }) => score));
  const found = scored.filter(({ score }) => score >= Math.max(minScore, best * nearBest));
  const distinct = new Map(found.sort((a, b) => b.score - a.score).map(({ sentence }) => [sentence.text, sentence]));
  return [...distinct.values()].slice(0, maxSentences);
}

/** The sentences of `[1] Title` and the lines below it, or of a text without such a number. */
function readPassage(passage: string): Sentence[] {
  const [, number, heading = ''] = /^\s*\[(\d+)\](.*)/.exec(passage) ?? [];
  const source = number === undefined ? undefined : Number(number);
  const [title, body] = [wordsOf(heading), passage.replace(/^\s*\[\d+\].*/, '')];
  return sentencesOf(body.trim() || heading).map((text) => ({ text, source, title, own: wordsOf(text) }));
}

/** The rarer a word among the sentences, the more it tells (inverse document frequency). */
function weigh(words: Set<string>, sentences: Sentence[]): [word: string, weight: number][] {
  const holders = (word: string) => sentences.filter(({ own, title }) => own.has(word) || title.has(word)).length;
  return [...words].map((word) => [word, Math.log(1 + (sentences.length + 1) / (holders(word) + 0.5))]);
}

/** The share of the words' weight that a sentence and its title hold, 0 to 1. */
function shareOf(weights: [word: string, weight: number][], { own, title }: Sentence): number {
  const sum = (share: (word: string) => number) =>
    weights.reduce((total, [word, weight]) => total + weight * share(word), 0);
  return sum((word) => (own.has(word) ? 1 : title.has(word) ? titleShare : 0)) / (sum(() => 1) || 1);
}
