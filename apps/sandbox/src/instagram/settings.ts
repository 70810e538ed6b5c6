/** What can be changed of the Instagram stand-in while it runs: where its webhooks go, and whether sends are echoed. */
import { z } from 'zod';
import { locales } from './graph-errors.ts';

export const InstagramSettings = z.strictObject({
  /** Where webhooks are posted; null: nowhere. */
  webhook_url: z
    .url({ protocol: /^https?$/ })
    .nullable()
    .default(null),
  /** What webhooks are signed with; an empty one would sign nothing. */
  app_secret: z.string().min(1),
  /** Whether each delivered message is announced by an echo, as Meta does for apps that subscribed to them. */
  echo: z.boolean().default(true),
  echo_delay_ms: z.number().min(0).max(600_000).default(50),
  /** The language of error messages. Meta's are localised: whoever matches their text finds out here. */
  locale: z.enum(locales).default('en'),
});
export type InstagramSettings = z.output<typeof InstagramSettings>;
