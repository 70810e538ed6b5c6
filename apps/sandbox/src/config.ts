/** Every environment variable that the sandbox reads, parsed once. */
import { ConfigError } from '@tally/core';
import { z } from 'zod';

const port = z.coerce.number().int().min(0).max(65_535).default(0);

const variables = z.object({
  SANDBOX_PORT: port,
  SANDBOX_SHOP_PORT: port,
  SANDBOX_SMTP_PORT: port,
  SANDBOX_HOST: z.string().default('127.0.0.1'),
  SANDBOX_API_KEY: z.string().optional(),
  SANDBOX_DELAY_MS: z.coerce.number().min(0).max(600_000).default(0),
  SANDBOX_INSTAGRAM_APP_SECRET: z.string().optional(),
  SANDBOX_WEBHOOK_URL: z.url({ protocol: /^https?$/ }).optional(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export type SandboxConfig = {
  /** 0: any free one. */
  port: number;
  /** The sample shop's; 0: any free one. */
  shopPort: number;
  /** The mailbox's, for SMTP; 0: any free one. */
  smtpPort: number;
  host: string;
  /** Undefined: every key is good. */
  apiKey: string | undefined;
  delayMs: number;
  /** Undefined: a secret of the sandbox's own, and webhooks that go nowhere. */
  instagram: { appSecret: string | undefined; webhookUrl: string | undefined };
  logLevel: string;
};

/** Parses `env`; an empty variable counts as unset. @throws ConfigError naming every fault at once */
export function readConfig(env: Readonly<Record<string, string | undefined>> = process.env): SandboxConfig {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = variables.safeParse(given);
  if (!parsed.success)
    throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
  return {
    port: parsed.data.SANDBOX_PORT,
    shopPort: parsed.data.SANDBOX_SHOP_PORT,
    smtpPort: parsed.data.SANDBOX_SMTP_PORT,
    host: parsed.data.SANDBOX_HOST,
    apiKey: parsed.data.SANDBOX_API_KEY,
    delayMs: parsed.data.SANDBOX_DELAY_MS,
    instagram: {
      appSecret: parsed.data.SANDBOX_INSTAGRAM_APP_SECRET,
      webhookUrl: parsed.data.SANDBOX_WEBHOOK_URL,
    },
    logLevel: parsed.data.LOG_LEVEL,
  };
}
