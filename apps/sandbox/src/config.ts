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

/** Parses `env`; an empty variable counts as unset, port 0 is any free one. @throws ConfigError naming every fault */
export function readConfig(env: Readonly<Record<string, string | undefined>> = process.env) {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const { data, error } = variables.safeParse(given);
  if (error) throw new ConfigError(error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`));
  return {
    port: data.SANDBOX_PORT,
    shopPort: data.SANDBOX_SHOP_PORT,
    smtpPort: data.SANDBOX_SMTP_PORT,
    host: data.SANDBOX_HOST,
    apiKey: data.SANDBOX_API_KEY,
    delayMs: data.SANDBOX_DELAY_MS,
    instagram: { appSecret: data.SANDBOX_INSTAGRAM_APP_SECRET, webhookUrl: data.SANDBOX_WEBHOOK_URL },
    logLevel: data.LOG_LEVEL,
  };
}
