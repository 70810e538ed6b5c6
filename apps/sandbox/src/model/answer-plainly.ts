/** Answers anything else: repeats what was asked, so that a reader sees that the right words arrived. */
import type { Answerer } from './answerer.ts';
import { readQuestion } from './context.ts';
import { isMostlyArabicScript } from './words.ts';

const quotedChars = 200;

export const answerPlainly: Answerer = {
  matches: () => true,

  answer({ messages }) {
    const asked = readQuestion(messages).replace(/\s+/g, ' ');
    const quoted = asked.length > quotedChars ? `${asked.slice(0, quotedChars).toWellFormed()}…` : asked;
    const text = isMostlyArabicScript(asked)
      ? `پیام شما رسید: «${quoted}». من مدل آزمایشی هستم و دانشی جز آنچه به من داده شود ندارم.`
      : `You said: "${quoted}". I am the sandbox model and know only what I am given.`;
    return { text, known: true, values: {} };
  },
};
