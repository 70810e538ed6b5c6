/** Writes a completion in a dialect's words: as one JSON document, or as the chunks of a stream. */
import type { Fault } from '../faults.ts';
import type { Completion } from './completion.ts';
import type { Dialect } from './dialects/dialect.ts';

/** What the body of an answer depends on besides the completion. */
export type WireOptions = { dialect: Dialect; id: string; fault: Fault | undefined; includeUsage: boolean };

/** The body of an answer that is not streamed. */
export function writeJson(completion: Completion, { dialect, id, fault }: WireOptions): string {
  const choice = { index: 0, ...dialect.writeChoice(completion), finish_reason: completion.finishReason };
  return JSON.stringify({
    id,
    object: 'chat.completion',
    created: nowInSeconds(),
    model: completion.model,
    choices: fault?.kind === 'empty_choices' ? [] : [choice],
    usage: fault?.kind === 'no_usage' ? undefined : writeUsage(dialect, completion, fault),
    ...dialect.envelope,
  });
}

/** The server-sent events of a streamed answer, `[DONE]` included. */
export function writeStream(completion: Completion, { dialect, id, fault, includeUsage }: WireOptions): string {
  const { content, refusal, finishReason, model } = completion;
  const head = { id, object: 'chat.completion.chunk', created: nowInSeconds(), model, ...dialect.envelope };
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
    events += `data: ${JSON.stringify({ ...head, choices: [], usage: writeUsage(dialect, completion, fault) })}\n\n`;
  return `${events}data: [DONE]\n\n`;
}

function writeUsage(dialect: Dialect, { usage }: Completion, fault: Fault | undefined): object {
  const written = dialect.writeUsage(usage);
  if (fault?.kind !== 'absurd_usage') return written;
  const bend = absurdities[fault.usage ?? 'negative'];
  return Object.fromEntries(
    Object.entries(written).map(([name, value]) => [name, typeof value === 'number' ? bend(value) : value]),
  );
}

const absurdities = {
  negative: (tokens: number) => -tokens,
  fractional: (tokens: number) => tokens + 0.5,
  huge: (tokens: number) => tokens + 1e15,
  strings: String,
};

const nowInSeconds = (): number => Math.floor(Date.now() / 1_000);
