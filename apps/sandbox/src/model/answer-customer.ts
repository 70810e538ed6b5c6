/** Answers a customer in a chat or on Instagram: short, friendly, in their language, from the context and nothing else. */
import type { Answerer } from './answerer.ts';
import { readGrounding, splitPassages } from './context.ts';
import { type Language, languageOf } from './language.ts';
import { matchSentences } from './match.ts';
import type { Message } from './request.ts';
import { topics } from './topics.ts';
import { words } from './words.ts';

/** The line by which a prompt says that its reader is a customer, who has no use for markers. */
const uncited = /^\s*Do not cite passages\.\s*$/m;

/** About what a direct message holds, also in letters of two bytes. */
const maxReplyChars = 450;
const maxSentences = 3;

export const answerCustomer: Answerer = {
  matches: ({ messages }) =>
    messages.some(({ role, content }) => (role === 'system' || role === 'developer') && uncited.test(content)),

  answer({ messages }) {
    const context = readGrounding(messages)?.context ?? '';
    const asked = readLines(messages);
    const language = languageOf(asked.join('\n'));
    const greets = asked.some((line) => greetings.test(line));
    const open = asked.filter((line) => !isSmallTalk(line));
    const said = phrases[language];
    if (open.length === 0) return reply(asked.some((line) => thanks.test(line)) ? said.welcome : said.greeting, true);
    const found = findAnswers(open, previousQuestion(messages), context);
    if (found.length === 0) return reply(said.unknown, false);
    return reply(greets ? `${said.hello} ${found.join(' ')}` : found.join(' '), true);
  },
};

const reply = (text: string, known: boolean): ReturnType<Answerer['answer']> => ({
  text,
  known,
  values: { sources: [], citations: [] },
});

/** The messages that wait for an answer: the lines of the last one. */
function readLines(messages: readonly Message[]): string[] {
  const last = messages.findLast(({ role }) => role === 'user')?.content ?? '';
  const outside = last.replace(/<context>[\s\S]*?<\/context>/gi, '').replace(/<\/?[a-z_]+>/gi, '');
  return outside.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
}

/** What the customer said before, for a message that only makes sense after it: "and in black?" */
function previousQuestion(messages: readonly Message[]): string {
  return messages.filter(({ role }) => role === 'user').at(-2)?.content ?? '';
}

function findAnswers(lines: string[], before: string, context: string): string[] {
  const found = new Set<string>();
  for (const line of lines)
    for (const sentence of answersTo(line, before, context))
      if (found.size < maxSentences && [...found, sentence].join(' ').length <= maxReplyChars) found.add(sentence);
  return [...found];
}

function answersTo(line: string, before: string, context: string): string[] {
  const topical = byTopic(line, before, context);
  if (topical !== undefined) return [topical];
  const direct = matchSentences(line, context);
  const matched = direct.length > 0 || before === '' ? direct : matchSentences(`${before}\n${line}`, context);
  return matched.slice(0, 2).map(({ text }) => text);
}

/**
 * The sentence that tells what is asked about, though it may share no word with the question ("price?" and "It costs
 * 129 EUR"), from the passage that the words, now or before, speak of; of several passages with none spoken of, none.
 */
function byTopic(line: string, before: string, context: string): string | undefined {
  const topic = topics.find(({ asked }) => asked.test(line));
  if (topic === undefined) return undefined;
  const candidates = splitPassages(context).flatMap(({ title, text }) =>
    text.split(/\n+|(?<=[.!?؟])\s+|(?<=[。！？])/u).flatMap((sentence) => {
      const told = sentence.trim();
      return topic.tells(told) ? [{ told, subject: new Set(words(`${title} ${told}`)) }] : [];
    }),
  );
  const rank = (asked: string, subject: ReadonlySet<string>): number =>
    words(asked).filter((word) => subject.has(word)).length;
  const ranked = candidates
    .map(({ told, subject }) => ({ told, score: 2 * rank(line, subject) + rank(before, subject) }))
    .sort((a, b) => b.score - a.score);
  const [best, second] = ranked;
  const isClear = best !== undefined && (second === undefined || best.score > 0);
  return isClear ? best.told : undefined;
}

const greetings =
  /(?<!\p{L})(?:hi|hello|hey|hallo|guten (?:tag|morgen|abend)|moin|servus|merhaba|selam|iyi günler|سلام|درود|مرحبا|السلام عليكم|أهلا)(?!\p{L})|こんにちは|こんばんは|はじめまして|おはよう/iu;
const thanks =
  /(?<!\p{L})(?:thanks?|thank you|thx|danke|teşekkür(?:ler)?|sağ ol|ممنون|مرسی|متشکرم|تشکر|شكرا)(?!\p{L})|ありがとう/iu;

/** A greeting, thanks, or no words at all (an emoji): nothing is asked. */
function isSmallTalk(line: string): boolean {
  const rest = line.replace(new RegExp(greetings, 'giu'), '').replace(new RegExp(thanks, 'giu'), '');
  const left = rest.match(/\p{L}+/gu) ?? [];
  return left.length === 0 || (rest !== line && left.length <= 2 && !/[?؟？]/.test(line));
}

type Phrases = { hello: string; greeting: string; welcome: string; unknown: string };

const phrases: Record<Language, Phrases> = {
  en: {
    hello: 'Hi!',
    greeting: 'Hi! How can I help you?',
    welcome: "You're welcome! Is there anything else I can do for you?",
    unknown: "Sorry, I don't know that. Shall I ask a colleague to get back to you?",
  },
  de: {
    hello: 'Hallo!',
    greeting: 'Hallo! Wie kann ich helfen?',
    welcome: 'Sehr gerne! Kann ich sonst noch etwas für Sie tun?',
    unknown: 'Das weiß ich leider nicht. Soll sich jemand von uns bei Ihnen melden?',
  },
  tr: {
    hello: 'Merhaba!',
    greeting: 'Merhaba! Size nasıl yardımcı olabilirim?',
    welcome: 'Rica ederim! Başka bir konuda yardımcı olabilir miyim?',
    unknown: 'Üzgünüm, bunu bilmiyorum. Bir arkadaşımız size dönüş yapsın mı?',
  },
  fa: {
    hello: 'سلام!',
    greeting: 'سلام! چطور می‌توانم کمکتان کنم؟',
    welcome: 'خواهش می‌کنم! کار دیگری هست که انجام دهم؟',
    unknown: 'متأسفانه این را نمی‌دانم. می‌خواهید همکارم با شما تماس بگیرد؟',
  },
  ar: {
    hello: 'مرحبًا!',
    greeting: 'مرحبًا! كيف يمكنني مساعدتك؟',
    welcome: 'على الرحب والسعة! هل من شيء آخر؟',
    unknown: 'عذرًا، لا أعرف ذلك. هل تود أن يتواصل معك أحد الزملاء؟',
  },
  ja: {
    hello: 'こんにちは！',
    greeting: 'こんにちは！ご用件をお聞かせください。',
    welcome: 'どういたしまして！ほかにお手伝いできることはありますか？',
    unknown: '申し訳ありません、わかりかねます。担当者からご連絡しましょうか？',
  },
};
