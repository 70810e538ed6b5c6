/** Determines a call's usage: as the provider reports it if that is plausible, otherwise counted here. */
import type { Evidence } from '@tally/db';
import { z } from 'zod';
import { countText } from './count.ts';

export type Usage = {
  /** Includes cached tokens. */
  inputTokens: number;
  cachedInputTokens: number;
  /** Includes reasoning tokens. */
  outputTokens: number;
  reasoningTokens: number;
  evidence: Evidence;
  /** The reported usage that was implausible, without text. */
  refusedUsage?: unknown;
};

// No model processes more in one call; a larger number is an error of the provider's.
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
  /** DeepSeek's name for cached input. */
  prompt_cache_hit_tokens: optional,
  /** Anthropic's names, counted in addition to `prompt_tokens`. */
  cache_read_input_tokens: optional,
  cache_creation_input_tokens: optional,
});

/** Reads the usage of an answered call; `text` is null if the provider sent none. */
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
 * Reasoning is counted within `completion_tokens` (OpenAI, DeepSeek), in addition to it (xAI), or only in
 * `total_tokens` (Google's OpenAI endpoint); cached input within `prompt_tokens` or in addition to it (Anthropic's
 * names). The total minus its parts shows which applies. Undefined for numbers that contradict each other.
 */
function toClasses(usage: z.output<typeof reported>): Omit<Usage, 'evidence'> | undefined {
  const anthropicCached = usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
  const cached =
    usage.prompt_tokens_details?.cached_tokens || usage.prompt_cache_hit_tokens || usage.cache_read_input_tokens;
  const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? 0;
  const { prompt_tokens: prompt, completion_tokens: completion } = usage;
  const unexplained = usage.total_tokens ? Math.max(0, usage.total_tokens - prompt - completion) : undefined;
  const isAdditional = (part: number, whole: number) =>
    part > 0 &&
    (unexplained === undefined ? part > whole : unexplained === part || unexplained === anthropicCached + reasoning);
  const cachedInput = Math.max(anthropicCached, cached);
  const isCacheAdditional = isAdditional(cachedInput, prompt) && unexplained !== reasoning;
  const inputTokens = prompt + (isCacheAdditional ? cachedInput : 0);
  const unexplainedOutput = (unexplained ?? 0) - (isCacheAdditional ? cachedInput : 0);
  const isReasoningAdditional = unexplained === undefined ? reasoning > completion : unexplainedOutput === reasoning;
  const outputTokens = completion + (isReasoningAdditional ? reasoning : Math.max(0, unexplainedOutput));
  const reasoningTokens = isReasoningAdditional ? reasoning : Math.max(reasoning, unexplainedOutput);
  const isPlausible =
    inputTokens > 0 &&
    cached <= inputTokens &&
    reasoningTokens <= outputTokens &&
    inputTokens <= maxTokens &&
    outputTokens <= maxOutputTokens;
  return isPlausible ? { inputTokens, cachedInputTokens: cached, outputTokens, reasoningTokens } : undefined;
}

/** The usage of a call that was sent, but never answered. */
export const unknownUsage: Usage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  evidence: 'unknown',
};

// The usage log outlives erased accounts, and a provider's report may quote a prompt: keep numbers only.
const redactText = (_key: string, value: unknown): unknown =>
  typeof value === 'string' && !/^[-+.\deE]{1,40}$/.test(value) ? '…' : value;

function boundedJson(value: unknown): unknown {
  const json = JSON.stringify(value, redactText);
  return json.length <= 2_000 ? JSON.parse(json) : json.slice(0, 2_000);
}
