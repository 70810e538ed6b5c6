/** What can be changed of the Instagram stand-in while it runs: where its webhooks go, and whether sends are echoed. */
import { z } from 'zod';

const WebUrl = z.url({ protocol: /^https?$/ });

export const InstagramSettings = z.strictObject({
  /** Where webhooks are posted; null: nowhere. */
  webhook_url: WebUrl.nullable().default(null),
  /** What webhooks are signed with; an empty one would sign nothing. */
  app_secret: z.string().min(1),
  /** Whether each delivered message is announced by an echo, as Meta does for apps that subscribed to them. */
  echo: z.boolean().default(true),
  echo_delay_ms: z.number().min(0).max(600_000).default(50),
  locale: z.enum(['en', 'de', 'fa', 'ja', 'tr']).default('en'),
});
export type InstagramSettings = z.output<typeof InstagramSettings>;
