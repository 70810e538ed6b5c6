/** Declares every setting once: its variable, its schema, and its text in the documents (`npm run docs`). */
import { resolve } from 'node:path';
import { z } from 'zod';
import { toPathPrefix } from './path-prefix.ts';

export type Setting<Schema extends z.ZodType = z.ZodType> = {
  variable: string;
  schema: Schema;
  /** One line of description for the documents. */
  about: string;
  /** The default that the documents show, where the schema has none. */
  shown?: string;
  /** A value for `.env.example`. */
  example?: string;
  /** Set where production requires the variable: how to obtain a value. */
  required?: string;
  /** Belongs to one process; all other settings must be equal in every process of an installation. */
  isOwn?: true;
  /** Set by docker-compose.yml itself, or not used there. */
  isComposed?: true;
};

const setting = <Schema extends z.ZodType>(
  variable: string,
  schema: Schema,
  about: string,
  more: Omit<Setting, 'variable' | 'schema' | 'about'> = {},
): Setting<Schema> => ({ variable, schema, about, ...more });

const whole = z.coerce.number().int();
/** 0 means no limit. */
const limit = (fallback: number) => whole.min(0).default(fallback);
// Postgres' date range does not allow more days.
const days = (fallback: number) => whole.min(0).max(36_500).default(fallback);
const flag = z.enum(['on', 'off', 'true', 'false', '1', '0']).transform((text) => ['on', 'true', '1'].includes(text));
const secret = z.string().min(32, 'must have at least 32 characters');
const key = z.string().regex(/^[0-9a-f]{64}$/i, 'must be 64 hexadecimal digits (openssl rand -hex 32)');
const listOf = (text: string) => text.split(',').map((part) => part.trim());
const url = (...protocols: string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    message: `must be a URL starting with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  });
const isOrigin = (text: string) =>
  /^https?:\/\/[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
const origin = z.string().refine(isOrigin, {
  error: ({ input }) =>
    `${JSON.stringify(input)} is no origin: write each as a browser does, such as https://app.example, without a path; * is not accepted`,
});
const publicUrl = url('http:', 'https:')
  .refine(
    (text) => /^https?:\/\/[^/?#@]+(?:\/[^?#]*)?$/i.test(text) && toPathPrefix(new URL(text).pathname) !== undefined,
    { message: 'must be an address with at most a path, such as https://host.example/tally' },
  )
  .transform((text) => ({ origin: new URL(text).origin, path: toPathPrefix(new URL(text).pathname) ?? '' }));

const madeBy = 'openssl rand -hex 32';

/** Keyed by their place in {@link Settings}, in the documents' order. */
export const settings = {
  production: setting(
    'NODE_ENV',
    z
      .enum(['development', 'test', 'production'])
      .transform((mode) => mode === 'production')
      .default(false),
    'in `production` every service and secret has to be named, and there are no demo accounts',
    { shown: '`development`', isOwn: true, isComposed: true },
  ),
  port: setting('PORT', whole.min(0).max(65_535).optional(), 'the API; 0: any free one', {
    shown: '8000',
    example: '8000',
    isOwn: true,
    isComposed: true,
  }),
  host: setting('HOST', z.string().default('127.0.0.1'), 'where the API listens', { isOwn: true, isComposed: true }),
  databaseUrl: setting('DATABASE_URL', url('postgres:', 'postgresql:').optional(), 'PostgreSQL 15 or newer', {
    shown: 'embedded',
    example: 'postgres://tally:password@db.example.com:5432/tally',
    required: 'postgres://user:password@host:5432/tally',
    isComposed: true,
  }),
  redisUrls: setting(
    'REDIS_URL',
    z
      .string()
      .transform(listOf)
      .pipe(z.array(url('redis:', 'rediss:')).min(1))
      .optional(),
    'Redis 7 or newer, `maxmemory-policy noeviction`; several URLs, comma-separated: a Redis Cluster',
    { shown: 'embedded', example: 'redis://cache.example.com:6379', required: 'redis://host:6379', isComposed: true },
  ),
  redisKeyPrefix: setting(
    'REDIS_KEY_PREFIX',
    z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,32}$/, 'must be 1 to 32 letters, digits, - or _')
      .default('tally'),
    'one for each installation on one Redis',
  ),
  dataDir: setting(
    'DATA_DIR',
    z
      .string()
      .default('.data')
      .transform((path) => resolve(path)),
    'embedded services’ data, generated secrets, logs',
    { shown: '`.data`', isOwn: true, isComposed: true },
  ),
  openai: {
    apiKey: setting('OPENAI_API_KEY', z.string().optional(), 'the model’s key', {
      shown: 'the stand-in',
      required: 'or OPENAI_BASE_URL; the sandbox model is for development',
    }),
    baseUrl: setting(
      'OPENAI_BASE_URL',
      url('http:', 'https:').optional(),
      'any server that speaks OpenAI’s chat completions',
      { shown: 'OpenAI’s', example: 'https://models.example.com/v1' },
    ),
    model: setting('AI_MODEL', z.string().default('gpt-4o-mini'), 'the model’s name'),
    outputCap: setting(
      'AI_OUTPUT_CAP',
      z.enum(['auto', 'both', 'max_tokens', 'max_completion_tokens']).default('auto'),
      'field of the cap on an answer: `max_tokens`, `max_completion_tokens`, `both`, or `auto`, by the server',
    ),
    timeoutMs: setting('MODEL_TIMEOUT_MS', whole.min(100).max(600_000).default(60_000), 'the longest model call'),
  },
  jwtSecret: setting('JWT_SECRET', secret.optional(), 'signs logins', {
    shown: 'generated once, kept in `DATA_DIR`',
    required: madeBy,
  }),
  encryptionKey: setting('ENCRYPTION_KEY', key.optional(), 'seals stored tokens and second factors', {
    shown: 'generated once, kept in `DATA_DIR`',
    required: madeBy,
  }),
  /** Key rotation: the previous or next secret, accepted beside the current one. */
  alsoAccepted: {
    jwtSecret: setting(
      'JWT_SECRET_ALSO',
      secret.optional(),
      'accepted beside the first while it is changed: [docs/limits.md](docs/limits.md)',
    ),
    encryptionKey: setting('ENCRYPTION_KEY_ALSO', key.optional(), 'the same for the key'),
  },
  instagram: {
    appSecret: setting(
      'INSTAGRAM_APP_SECRET',
      z.string().min(16, 'must have at least 16 characters').optional(),
      'verifies webhooks; in production, webhooks are refused unless this or `META_APP_SECRET` is set',
      { shown: 'the stand-in’s' },
    ),
    metaAppSecret: setting(
      'META_APP_SECRET',
      z.string().min(16, 'must have at least 16 characters').optional(),
      'a second accepted secret: that of a Facebook app',
    ),
    verifyToken: setting(
      'INSTAGRAM_VERIFY_TOKEN',
      z.string().optional(),
      'what you enter beside the webhook’s address at Meta',
      { shown: 'the stand-in’s' },
    ),
    graphUrl: setting(
      'INSTAGRAM_GRAPH_URL',
      url('http:', 'https:').default('https://graph.instagram.com/v26.0'),
      'Instagram’s API; without a secret, in development, the stand-in’s',
    ),
  },
  extraction: {
    /** `host:port` entries that are exempt from the ban on non-public addresses. */
    allowedHosts: setting(
      'EXTRACTION_ALLOW_HOSTS',
      z
        .string()
        .transform((text) => listOf(text).map((part) => part.toLowerCase()))
        .pipe(z.array(z.string().regex(/^(\[[0-9a-f:.]+\]|[^\s:/]+):\d{1,5}$/, 'must be host:port, comma-separated')))
        .default([]),
      '`host:port`, comma-separated, exempt from the ban of addresses that are not public',
      { shown: 'the sample shop' },
    ),
    chromiumPath: setting('CHROMIUM_PATH', z.string().optional(), 'the Chromium in which pages are read', {
      shown: 'what is found',
      isOwn: true,
      isComposed: true,
    }),
  },
  mail: {
    /** Where undefined, no e-mail is sent and no address can be confirmed. */
    smtpUrl: setting(
      'SMTP_URL',
      url('smtp:', 'smtps:').optional(),
      'confirms addresses and resets passwords; in production with `PUBLIC_URL`, which links begin with',
      { shown: 'the stand-in’s mailbox', example: 'smtps://user:password@mail.example.com' },
    ),
    from: setting('MAIL_FROM', z.string().min(3).max(200).default('Tally <tally@localhost>'), 'the sender', {
      example: 'Tally <tally@example.com>',
    }),
  },
  metricsToken: setting(
    'METRICS_TOKEN',
    z
      .string()
      .regex(/^\S{16,}$/, 'must have at least 16 characters, and no space')
      .optional(),
    'the bearer token that reads `/metrics`; operators do with theirs',
  ),
  /** Whether operators need a second factor before they may act. */
  requireOperatorSecondFactor: setting(
    'REQUIRE_OPERATOR_SECOND_FACTOR',
    flag.default(false),
    'operators act only once they have turned on a second factor',
    { shown: 'off' },
  ),
  signupPlan: setting(
    'SIGNUP_PLAN',
    z.enum(['starter', 'growth', 'scale']).optional(),
    'plan that begins with an address’s confirmation; without one an operator gives it',
    { example: 'starter' },
  ),
  demoData: setting(
    'DEMO_DATA',
    flag.optional(),
    'the demo accounts, whose password everybody knows; never beyond loopback or in production',
    { shown: 'on, where loopback alone is heard', isComposed: true },
  ),
  workerConcurrency: setting(
    'WORKER_CONCURRENCY',
    whole.min(1).max(1_000).default(50),
    'jobs at a time, per queue and worker',
    { isOwn: true },
  ),
  limits: {
    submissionsPerMinute: setting('LIMIT_SUBMISSIONS_PER_MINUTE', limit(600), 'per account; 0: none'),
    readsPerMinute: setting('LIMIT_READS_PER_MINUTE', limit(6_000), 'per account; 0: none'),
    logins: setting('LIMIT_LOGINS', limit(10), 'failed ones, per account and address, in 15 minutes; 0: none'),
    queuedJobs: setting(
      'LIMIT_QUEUED_JOBS',
      limit(20_000),
      'jobs that an account may have queued, webhooks’ excepted; 0: any number',
    ),
    signupPlans: setting('LIMIT_SIGNUP_PLANS', limit(5), 'sign-up plans given per network and day; 0: any number'),
  },
  retention: {
    jobsDays: setting(
      'RETENTION_JOBS_DAYS',
      days(30),
      'input, result and texts of ended jobs go after so many days; their rows stay; 0: never',
    ),
    eventsDays: setting(
      'RETENTION_EVENTS_DAYS',
      days(30).refine((value) => value !== 1, {
        message: 'must be 0 (for ever) or at least 2: an event that is delivered again must be known',
      }),
      'webhook events; 0, or at least 2: Meta delivers some again for 36 hours',
    ),
    conversationsDays: setting(
      'RETENTION_CONVERSATIONS_DAYS',
      days(180),
      'conversations and messages, counted from the last one said; 0: never',
    ),
  },
  /** Each proxy appends its client's address to `X-Forwarded-For`. */
  proxyHops: setting(
    'PROXY_HOPS',
    limit(0),
    'reverse proxies in front; with 1, the last of `X-Forwarded-For` is a client’s address',
  ),
  publicUrl: setting(
    'PUBLIC_URL',
    publicUrl.optional(),
    'where clients reach the API: addresses in answers have its path',
    { shown: 'what requests say', example: 'https://host.example/tally' },
  ),
  corsOrigins: setting(
    'CORS_ORIGINS',
    z.string().transform(listOf).pipe(z.array(origin)).default([]),
    'origins whose pages may call the API from a browser, comma-separated',
    { shown: 'none', example: 'https://app.example' },
  ),
  logLevel: setting(
    'LOG_LEVEL',
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
    'what is logged',
    { isOwn: true },
  ),
} as const;

type Group = { [name: string]: Setting | Group };

/** The parsed values, in the shape of the settings object. */
export type ValuesOf<T> = T extends Setting<infer Schema> ? z.output<Schema> : { [Name in keyof T]: ValuesOf<T[Name]> };

const isSetting = (one: Setting | Group): one is Setting => typeof one.variable === 'string';

/** All settings as a flat list. */
export function listSettings(group: Group = settings): Setting[] {
  return Object.values(group).flatMap((one) => (isSetting(one) ? [one] : listSettings(one)));
}

/** Arranges parsed variables in the shape of `group`. */
export function placeValues<T extends Group>(group: T, values: Record<string, unknown>): ValuesOf<T> {
  return Object.fromEntries(
    Object.entries(group).map(([name, one]) => [
      name,
      isSetting(one) ? values[one.variable] : placeValues(one, values),
    ]),
  ) as ValuesOf<T>;
}
