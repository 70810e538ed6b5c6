/** Makes the reasoning and the answer of a request, faults in the content included, and counts its usage. */
import type { Fault } from '../faults.ts';
import type { Settings } from '../settings.ts';
import { answer } from './answer.ts';
import type { Dialect, Said, Usage } from './dialects/dialect.ts';
import { renderAnswer, renderAnswerOfSize, wantsJson } from './render.ts';
import type { ChatRequest } from './request.ts';
import { countPromptTokens, countTokens, cutToTokens } from './tokens.ts';

export type Completion = Said & { model: string; usage: Usage };

/** Everything that an answer depends on. */
export type Occasion = {
  dialect: Dialect;
  request: ChatRequest;
  promptTokens: number;
  fault: Fault | undefined;
  settings: Settings;
};

type Content = Pick<Said, 'content' | 'refusal' | 'finishReason'>;

const refusalText = "I'm sorry, but I can't help with that.";
/** An array is never valid: the root of a structured output is an object. */
const schemaBreaker = '["not what was asked for"]';
const filteredAfterTokens = 5;
const shortenedToTokens = 5;
const tokensOverLimit = 100;
/** JSON is fenced where the prompt's tokens are a multiple of this: the same request always gets the same form. */
const fencedEvery = 2;
const reasoningSentence = 'They want an answer, so I look for it once more. ';
const sentenceTokens = countTokens(reasoningSentence);

/** The completion of a request; usage is that of the content as it is sent, and of the reasoning. */
export function complete(occasion: Occasion): Completion {
  const { dialect, request, promptTokens, settings } = occasion;
  const limit = limitOf(occasion);
  const reasoning = writeReasoning(occasion, Math.min(settings.reasoning_tokens, limit ?? Infinity));
  const hiddenTokens = dialect.hasReasoningInContent ? 0 : countTokens(reasoning);
  const spoken = speak(occasion, limit === undefined ? undefined : limit - hiddenTokens);
  const said = dialect.hasReasoningInContent ? withReasoning(occasion, spoken, reasoning) : spoken;
  const saidTokens = countTokens(said.content ?? said.refusal ?? '');
  const blockTokens = dialect.hasReasoningInContent ? saidTokens - countTokens(answerIn(said.content ?? '')) : 0;
  return {
    model: request.model,
    ...said,
    reasoning,
    usage: {
      promptTokens,
      cachedTokens: Math.floor(promptTokens * settings.cached_share),
      completionTokens: hiddenTokens + saidTokens,
      reasoningTokens: hiddenTokens + Math.max(0, blockTokens),
    },
  };
}

/** The tokens of a request's prompt, and whether they are more than the model can read. */
export function measurePrompt({ contextTokens }: Dialect, request: ChatRequest) {
  const promptTokens = countPromptTokens(request.messages);
  return { promptTokens, isTooLong: promptTokens > contextTokens };
}

/** The limit of reasoning and answer together, in tokens; undefined: none. */
const limitOf = ({ dialect, request }: Occasion): number | undefined =>
  dialect.limitFields.map((field) => request[field]).find((limit) => limit != null) ?? undefined;

/** Reasoning of so many tokens; none about input that is blocked. */
const writeReasoning = ({ fault }: Occasion, tokens: number): string =>
  tokens === 0 || fault?.kind === 'content_refused'
    ? ''
    : cutToTokens(reasoningSentence.repeat(Math.ceil(tokens / sentenceTokens)), tokens);

/** The content with its reasoning in front; the limit cuts both. */
function withReasoning(occasion: Occasion, said: Content, reasoning: string): Content {
  if (reasoning === '') return said;
  const limit = occasion.fault?.kind === 'over_limit' ? undefined : limitOf(occasion);
  const block = `<think>\n${reasoning}\n</think>\n\n${said.content ?? said.refusal ?? ''}`;
  const whole = cut(block, limit);
  return { ...said, ...whole, finishReason: whole.finishReason === 'length' ? 'length' : said.finishReason };
}

/** The content behind its reasoning. */
const answerIn = (content: string): string =>
  content.startsWith('<think>') ? (content.split('</think>\n\n')[1] ?? '') : content;

function speak({ dialect, request, promptTokens, fault, settings }: Occasion, limit: number | undefined): Content {
  const form = (json: string): string =>
    dialect.fencesJson && wantsJson(request) && promptTokens % fencedEvery === 0 ? `\`\`\`json\n${json}\n\`\`\`` : json;
  const write = (size: number | null): string => {
    const said = answer(request);
    return form(size === null ? renderAnswer(request, said) : renderAnswerOfSize(request, said, size));
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
      const size = (limit ?? countTokens(whole())) + (fault.tokens ?? tokensOverLimit);
      return { content: write(size), refusal: null, finishReason: 'stop' };
    }
    case 'length':
      return {
        ...cut(whole(), Math.min(limit ?? Infinity, fault.tokens ?? shortenedToTokens)),
        finishReason: 'length',
      };
    default:
      return cut(whole(), limit);
  }
}

function cut(whole: string, limit: number | undefined): Content {
  if (limit === undefined || countTokens(whole) <= limit)
    return { content: whole, refusal: null, finishReason: 'stop' };
  return { content: cutToTokens(whole, limit), refusal: null, finishReason: 'length' };
}
