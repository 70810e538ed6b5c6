/** Answers a question with sentences of the context that came with it, and says where each is from. */
import type { Answerer } from './answerer.ts';
import { readGrounding } from './context.ts';
import { matchSentences } from './match.ts';
import { isMostlyArabicScript } from './words.ts';

const dontKnow = "I don't know: the knowledge I was given does not say.";
const dontKnowInPersian = 'نمی‌دانم: در دانشی که دارم پاسخی نیست.';

export const answerFromContext: Answerer = {
  matches: ({ messages }) => readGrounding(messages) !== undefined,

  answer({ messages }) {
    const { context, question } = readGrounding(messages) ?? { context: '', question: '' };
    const sentences = matchSentences(question, context);
    const markers = sentences.flatMap(({ marker }) => (marker === undefined ? [] : [marker]));
    const sources = [...new Set(markers)];
    if (sentences.length === 0) {
      const text = isMostlyArabicScript(question) ? dontKnowInPersian : dontKnow;
      return { text, known: false, values: { sources, citations: sources } };
    }
    const text = sentences.map(({ text, marker }) => (marker === undefined ? text : `${text} [${marker}]`)).join(' ');
    return { text, known: true, values: { sources, citations: sources } };
  },
};
