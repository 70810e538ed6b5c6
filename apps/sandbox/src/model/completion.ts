/** Makes the reasoning and the answer of a request, faults in the content included, and counts its usage. */
import type { ChosenFault } from '../faults.ts';
import type { Settings } from '../settings.ts';
import { writeAnswer } from './answer/answer.ts';
import type { Dialect, Said } from './dialects/dialect.ts';
import { type ChatRequest, wantsJson } from './request.ts';
import { countTokens, cutToTokens, type Tokens } from './tokens.ts';

export type Completion = Said & { usage: Tokens };

/** What an answer depends on besides its dialect. */
export type Asked = { request: ChatRequest; id: string; fault: ChosenFault | undefined; settings: Settings };
type Occasion = Asked & { dialect: Dialect; promptTokens: number };

type Content = Omit<Said, 'reasoning'>;

const refusalText = "I'm sorry, but I can't help with that.";
/** An array is never valid: the root of a structured output is an object. */
const schemaBreaker = '["not what was asked for"]';
const filteredAfterTokens = 5;
const shortenedToTokens = 5;
const tokensOverLimit = 100;
const reasoningSentence = 'They want an answer, so I look for it once more. ';
const sentenceTokens = 10;

/** The completion of a request; usage is that of the content as it is sent, and of the reasoning. */
export function complete(occasion: Occasion): Completion {
  const { dialect, request, promptTokens, fault, settings } = occasion;
  const limit = dialect.limitFields.map((field) => request[field]).find((tokens) => tokens != null) ?? Infinity;
  // None about input that is blocked.
  const wanted = fault?.kind === 'content_refused' ? 0 : Math.min(settings.reasoning_tokens, limit);
  const reasoning = cutToTokens(reasoningSentence.repeat(Math.ceil(wanted / sentenceTokens)), wanted);
  const isShown = dialect.hasReasoningInContent === true && reasoning !== '';
  const block = isShown ? cutToTokens(`<think>\n${reasoning}\n</think>\n\n`, limit) : '';
  const reasoningTokens = countTokens(isShown ? block : reasoning);
  const said = speak(occasion, limit - reasoningTokens);
  const content = isShown ? block + (said.content ?? said.refusal ?? '') : said.content;
  const answerTokens = countTokens(content ?? said.refusal ?? '');
  const completionTokens = isShown ? answerTokens : reasoningTokens + answerTokens;
  return {
    ...said,
    content,
    reasoning,
    usage: {
      prompt_tokens: promptTokens,
      cached_tokens: Math.floor(promptTokens * settings.cached_share),
      completion_tokens: completionTokens,
      reasoning_tokens: Math.min(reasoningTokens, completionTokens),
      total_tokens: promptTokens + completionTokens,
    },
  };
}

function speak({ dialect, request, promptTokens, fault, settings }: Occasion, limit: number): Content {
  // At every other number of tokens in the prompt: the same request always gets the same form.
  const isFenced = dialect.fencesJson === true && wantsJson(request) && promptTokens % 2 === 0;
  const write = (tokens: number | null): string => {
    const text = writeAnswer(request, tokens);
    return isFenced ? `\`\`\`json\n${text}\n\`\`\`` : text;
  };
  const whole = () => write(settings.output_tokens);
  switch (fault?.kind) {
    case 'refusal':
      return { content: null, refusal: refusalText, finishReason: 'stop' };
    case 'content_refused':
      return typeof dialect.contentRefused === 'object' && 'finishReason' in dialect.contentRefused
        ? { content: null, refusal: null, finishReason: dialect.contentRefused.finishReason }
        : cut(refusalText, limit);
    case 'wrong_schema':
      return cut(schemaBreaker, limit);
    case 'content_filter':
      return { content: cutToTokens(whole(), filteredAfterTokens), refusal: null, finishReason: 'content_filter' };
    case 'over_limit': {
      const size = Number.isFinite(limit) ? limit : countTokens(whole());
      return { content: write(size + (fault.tokens ?? tokensOverLimit)), refusal: null, finishReason: 'stop' };
    }
    case 'length':
      return { ...cut(whole(), Math.min(limit, fault.tokens ?? shortenedToTokens)), finishReason: 'length' };
    default:
      return cut(whole(), limit);
  }
}

function cut(whole: string, limit: number): Content {
  const content = cutToTokens(whole, limit);
  return { content, refusal: null, finishReason: content === whole ? 'stop' : 'length' };
}
