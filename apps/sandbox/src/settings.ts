/** What can be changed while the sandbox runs: how long every answer takes and how large it is. */
import { z } from 'zod';

export const Settings = z.strictObject({
  /** Before every answer, in addition to a fault's own delay. */
  delay_ms: z.number().min(0).max(600_000).default(0),
  /** How many tokens every answer has; null: as many as it needs. */
  output_tokens: z.int().min(1).max(100_000).nullable().default(null),
});
export type Settings = z.output<typeof Settings>;
