/** Answers schemas with `pairs`: questions that sentences of a source answer, in its language, and none that exist. */
import { type Answerer, spoken } from './answerer.ts';
import { type Language, languageOf } from './language.ts';
import { readPageText } from './page-text.ts';
import { readSection, wantsProperty } from './section.ts';
import { generalQuestion, topics, unnamed } from './topics.ts';
import { words } from './words.ts';

type Pair = { question: string; answer: string };

const usualCount = 5;
const maxCount = 50;
const minAnswerChars = 8;
const maxAnswerChars = 600;
const maxNameChars = 80;

export const answerPairs: Answerer = {
  matches: (request) => wantsProperty(request, 'pairs') && readSection(request.messages, 'source') !== undefined,

  answer({ messages }) {
    const source = readSection(messages, 'source') ?? '';
    const existing = (readSection(messages, 'existing') ?? '').split('\n');
    const pairs = makePairs(source, existing, wantedCount(messages.map(({ content }) => content).join('\n')));
    const [first, ...others] = pairs;
    const values = { pairs: first ? [{ question: first.question, answer: spoken }, ...others] : [] };
    return { text: first?.answer ?? '', known: pairs.length > 0, values };
  },
};

/** The number in the instructions: what stands in the sections is somebody else's. */
function wantedCount(prompt: string): number {
  const instructions = prompt.replace(/<(source|existing)>[\s\S]*?(?:<\/\1>|$)/gi, '');
  const near = /(?:count|at most|up to|exactly|write|make|wanted)\D{0,30}?(\d{1,3})\b/i.exec(instructions);
  const count = Number((near ?? /\b(\d{1,3})\b/.exec(instructions))?.[1] ?? usualCount);
  return Math.min(count, maxCount);
}

function makePairs(source: string, existing: readonly string[], count: number): Pair[] {
  const language = languageOf(source);
  const taken = new Set(existing.map(comparable).filter(Boolean));
  const pairs: Pair[] = [];
  for (const { name, sentence } of factsOf(source, language)) {
    if (pairs.length >= count) break;
    const question = questionFor(sentence, name, language);
    if (taken.has(comparable(question))) continue;
    taken.add(comparable(question));
    pairs.push({ question, answer: sentence });
  }
  return pairs;
}

function questionFor(sentence: string, name: string, language: Language): string {
  const topic = topics.find(({ tells }) => tells(sentence));
  return (topic?.question ?? generalQuestion)[language](name);
}

/** The same for questions that differ in punctuation, accents or plurals only. */
const comparable = (question: string): string => words(question).join(' ') || question.trim();

/** Sentences, each with the name of what it is about: the nearest heading above, a name that is stated, or the title. */
function factsOf(source: string, language: Language): { name: string; sentence: string }[] {
  const text = readPageText(source);
  const stated = /^\s*(?:name|product|produkt|ürün|نام|محصول|商品名)\s*[:：]\s*(.+)$/imu.exec(source)?.[1]?.trim();
  return text.sections.flatMap(({ heading, lines }) => {
    const name = (stated ?? (heading || text.title || unnamed[language])).slice(0, maxNameChars).toWellFormed();
    return lines.flatMap(sentencesOf).map((sentence) => ({ name, sentence }));
  });
}

function sentencesOf(line: string): string[] {
  if (/^\s*(?:name|product|produkt|ürün|نام|محصول|商品名|url|images?)\s*[:：]/iu.test(line)) return [];
  return line
    .split(/(?<=[.!?؟])\s+|(?<=[。！？])/u)
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence.length >= minAnswerChars && sentence.length <= maxAnswerChars);
}
