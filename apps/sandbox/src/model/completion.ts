/** Decides what the model answers and what it costs, a fault in the content included. */
import type { Fault } from '../faults.ts';
import type { Settings } from '../settings.ts';
import { answer } from './answer.ts';
import { renderAnswer, renderAnswerOfSize } from './render.ts';
import { type ChatRequest, maxOutputTokens } from './request.ts';
import { countPromptTokens, countTokens, cutToTokens } from './tokens.ts';

export type Usage = { promptTokens: number; completionTokens: number };

export type Completion = {
  model: string;
  content: string | null;
  refusal: string | null;
  finishReason: 'stop' | 'length' | 'content_filter';
  usage: Usage;
};

type Content = Pick<Completion, 'content' | 'refusal' | 'finishReason'>;

const refusalText = "I'm sorry, but I can't help with that.";
/** An array is never valid: the root of a structured output is an object. */
const schemaBreaker = '["not what was asked for"]';
const filteredAfterTokens = 5;
const shortenedToTokens = 5;
const tokensOverLimit = 100;

/** The completion for `request`, whose prompt has `promptTokens`; usage is that of the content as it is sent. */
export function complete(
  request: ChatRequest,
  promptTokens: number,
  fault: Fault | undefined,
  settings: Settings,
): Completion {
  const said = speak(request, fault, settings);
  const completionTokens = countTokens(said.content ?? said.refusal ?? '');
  return { model: request.model, ...said, usage: { promptTokens, completionTokens } };
}

/** The most tokens that a prompt may have, as for OpenAI's gpt-4o family. */
const contextTokens = 128_000;

/** The tokens of a request's prompt, and whether they are more than the model can read. */
export function measurePrompt(request: ChatRequest): { promptTokens: number; tooLong: boolean } {
  const promptTokens = countPromptTokens(request.messages);
  return { promptTokens, tooLong: promptTokens > contextTokens };
}

function speak(request: ChatRequest, fault: Fault | undefined, settings: Settings): Content {
  if (fault?.kind === 'refusal') return { content: null, refusal: refusalText, finishReason: 'stop' };
  const limit = maxOutputTokens(request);
  if (fault?.kind === 'wrong_schema') return cut(schemaBreaker, limit);
  const whole = write(request, settings.output_tokens);
  if (fault?.kind === 'content_filter')
    return { content: cutToTokens(whole, filteredAfterTokens), refusal: null, finishReason: 'content_filter' };
  if (fault?.kind === 'over_limit') {
    const size = (limit ?? countTokens(whole)) + (fault.tokens ?? tokensOverLimit);
    return { content: write(request, size), refusal: null, finishReason: 'stop' };
  }
  if (fault?.kind === 'length')
    return { ...cut(whole, Math.min(limit ?? Infinity, fault.tokens ?? shortenedToTokens)), finishReason: 'length' };
  return cut(whole, limit);
}

function write(request: ChatRequest, size: number | null): string {
  const said = answer(request);
  return size === null ? renderAnswer(request, said) : renderAnswerOfSize(request, said, size);
}

function cut(whole: string, limit: number | undefined): Content {
  if (limit === undefined || countTokens(whole) <= limit)
    return { content: whole, refusal: null, finishReason: 'stop' };
  return { content: cutToTokens(whole, limit), refusal: null, finishReason: 'length' };
}
