/** What can be changed while the sandbox runs: the delay, size and reasoning of every answer, and the cache. */
import { z } from 'zod';

export const Settings = z.strictObject({
  /** Before every answer, in addition to a fault's own delay. */
  delay_ms: z.number().min(0).max(600_000).default(0),
  /** How many tokens every answer has; null: as many as it needs. */
  output_tokens: z.int().min(1).max(100_000).nullable().default(null),
  /** Reasoning tokens before every answer; 0: no reasoning model. */
  reasoning_tokens: z.int().min(0).max(100_000).default(0),
  /** The part of every prompt that is billed as cached. */
  cached_share: z.number().min(0).max(1).default(0),
});
export type Settings = z.output<typeof Settings>;
