/** Writes a completion in OpenAI's words: as one JSON document, or as the chunks of a stream. */
import type { Fault } from '../faults.ts';
import type { Completion, Usage } from './completion.ts';

/** What the body of an answer depends on besides the completion. */
export type WireOptions = { id: string; fault: Fault | undefined; includeUsage: boolean };

const fingerprint = 'fp_sandbox';

/** The body of an answer that is not streamed. */
export function writeJson(completion: Completion, { id, fault }: WireOptions): string {
  const { content, refusal, finishReason } = completion;
  const choice = { index: 0, message: { role: 'assistant', content, refusal }, logprobs: null };
  return JSON.stringify({
    id,
    object: 'chat.completion',
    created: nowInSeconds(),
    model: completion.model,
    choices: fault?.kind === 'empty_choices' ? [] : [{ ...choice, finish_reason: finishReason }],
    usage: fault?.kind === 'no_usage' ? undefined : writeUsage(completion.usage, fault),
    service_tier: 'default',
    system_fingerprint: fingerprint,
  });
}

/** The server-sent events of a streamed answer, `[DONE]` included. */
export function writeStream(completion: Completion, { id, fault, includeUsage }: WireOptions): string {
  const { content, refusal, finishReason, model } = completion;
  const head = { id, object: 'chat.completion.chunk', created: nowInSeconds(), model, system_fingerprint: fingerprint };
  const tail = includeUsage && fault?.kind !== 'no_usage' ? { usage: null } : {};
  const event = (choices: unknown[]): string => `data: ${JSON.stringify({ ...head, choices, ...tail })}\n\n`;
  const chunk = (delta: object, finish: string | null = null): string =>
    event(fault?.kind === 'empty_choices' ? [] : [{ index: 0, delta, logprobs: null, finish_reason: finish }]);

  const words = (content ?? refusal ?? '').match(/\s*\S+|\s+$/g) ?? [];
  const key = content === null ? 'refusal' : 'content';
  let events = chunk({ role: 'assistant', content: content === null ? null : '', refusal: null });
  for (const word of words) events += chunk({ [key]: word });
  events += chunk({}, finishReason);
  if (includeUsage && fault?.kind !== 'no_usage')
    events += `data: ${JSON.stringify({ ...head, choices: [], usage: writeUsage(completion.usage, fault) })}\n\n`;
  return `${events}data: [DONE]\n\n`;
}

function writeUsage({ promptTokens, completionTokens }: Usage, fault: Fault | undefined): object {
  const bend = fault?.kind === 'absurd_usage' ? absurdities[fault.usage ?? 'negative'] : (tokens: number) => tokens;
  return {
    prompt_tokens: bend(promptTokens),
    completion_tokens: bend(completionTokens),
    total_tokens: bend(promptTokens + completionTokens),
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}

const absurdities = {
  negative: (tokens: number) => -tokens,
  fractional: (tokens: number) => tokens + 0.5,
  huge: (tokens: number) => tokens + 1e15,
  strings: String,
};

const nowInSeconds = (): number => Math.floor(Date.now() / 1_000);
