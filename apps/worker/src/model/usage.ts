/** What a call used: believed where the provider reports it sanely, counted by ourselves where it doesn't. */
import type { Evidence } from '@tally/db';
import { z } from 'zod';
import { countText } from './count.ts';

export type Usage = {
  /** Cached tokens included. */
  inputTokens: number;
  cachedInputTokens: number;
  /** Reasoning included. */
  outputTokens: number;
  reasoningTokens: number;
  evidence: Evidence;
  /** What was reported and not believed. */
  refusedUsage?: unknown;
};

// No model takes or gives more in one call; a larger number is a fault of the provider's.
const maxTokens = 10_000_000;
const maxOutputTokens = 2_000_000;
const tokens = z.number().int().min(0).max(maxTokens);
const optional = tokens.nullish().transform((value) => value ?? 0);
const reported = z.object({
  prompt_tokens: tokens,
  completion_tokens: tokens,
  total_tokens: tokens.nullish(),
  prompt_tokens_details: z.object({ cached_tokens: optional }).nullish(),
  completion_tokens_details: z.object({ reasoning_tokens: optional }).nullish(),
  /** DeepSeek's name for what was cached. */
  prompt_cache_hit_tokens: optional,
  /** Anthropic's, beside the input. */
  cache_read_input_tokens: optional,
  cache_creation_input_tokens: optional,
});

/** Classifies the usage of an answered call; `text` is null where the provider sent none. */
export function readUsage(reportedUsage: unknown, countedInputTokens: number, text: string | null): Usage {
  const parsed = reported.safeParse(reportedUsage);
  const usage = parsed.success ? toClasses(parsed.data) : undefined;
  if (usage !== undefined) return { ...usage, evidence: 'reported' };
  return {
    inputTokens: countedInputTokens,
    cachedInputTokens: 0,
    outputTokens: text === null ? 0 : countText(text),
    reasoningTokens: 0,
    evidence: 'estimated',
    ...(reportedUsage === undefined || reportedUsage === null ? {} : { refusedUsage: boundedJson(reportedUsage) }),
  };
}

/**
 * Providers count in four ways: reasoning within `completion_tokens` (OpenAI, DeepSeek), beside it (xAI) or only within
 * `total_tokens` (Google's OpenAI endpoint), and cached input within `prompt_tokens` or beside it (Anthropic's names).
 * What the total has beyond the parts tells which. Undefined for numbers that contradict each other.
 */
function toClasses(usage: z.output<typeof reported>): Omit<Usage, 'evidence'> | undefined {
  const beside = usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
  const cached =
    usage.prompt_tokens_details?.cached_tokens || usage.prompt_cache_hit_tokens || usage.cache_read_input_tokens;
  const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? 0;
  const { prompt_tokens: prompt, completion_tokens: completion } = usage;
  const rest = usage.total_tokens ? Math.max(0, usage.total_tokens - prompt - completion) : undefined;
  const outside = (part: number, whole: number) =>
    part > 0 && (rest === undefined ? part > whole : rest === part || rest === beside + reasoning);
  const inputBeside = Math.max(beside, cached);
  const isInputBeside = outside(inputBeside, prompt) && rest !== reasoning;
  const inputTokens = prompt + (isInputBeside ? inputBeside : 0);
  const left = (rest ?? 0) - (isInputBeside ? inputBeside : 0);
  const isReasoningBeside = rest === undefined ? reasoning > completion : left === reasoning;
  const outputTokens = completion + (isReasoningBeside ? reasoning : Math.max(0, left));
  const reasoningTokens = isReasoningBeside ? reasoning : Math.max(reasoning, left);
  const isSane =
    inputTokens > 0 &&
    cached <= inputTokens &&
    reasoningTokens <= outputTokens &&
    inputTokens <= maxTokens &&
    outputTokens <= maxOutputTokens;
  return isSane ? { inputTokens, cachedInputTokens: cached, outputTokens, reasoningTokens } : undefined;
}

/** A call of which nothing is known but that it was sent. */
export const unknownUsage: Usage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  evidence: 'unknown',
};

// The log is kept for ever, also for accounts that were erased, and a provider may quote anything: no words, only numbers.
const withoutWords = (_key: string, value: unknown): unknown =>
  typeof value === 'string' && !/^[-+.\deE]{1,40}$/.test(value) ? '…' : value;

function boundedJson(value: unknown): unknown {
  const json = JSON.stringify(value, withoutWords);
  return json.length <= 2_000 ? JSON.parse(json) : json.slice(0, 2_000);
}
