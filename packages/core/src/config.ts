/** Every environment variable that Tally reads, parsed once; nothing else in the code touches `process.env`. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { toPathPrefix } from './path-prefix.ts';
import type { SealKeys } from './sealed.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const limit = (fallback: number) => z.coerce.number().int().min(0).default(fallback);
// More days than this, and Postgres has no such date.
const days = (fallback: number) => z.coerce.number().int().min(0).max(36_500).default(fallback);
const url = (...protocols: string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    message: `must be a URL starting with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  });
const origin = z.string().refine((text) => isOrigin(text), {
  error: ({ input }) =>
    `${JSON.stringify(input)} is no origin: write each as a browser does, such as https://app.example, without a path; * is not accepted`,
});
const isOrigin = (text: string) =>
  /^https?:\/\/[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
const flag = z.enum(['on', 'off', 'true', 'false', '1', '0']).transform((text) => ['on', 'true', '1'].includes(text));

const secret = z.string().min(32, 'must have at least 32 characters');
const key = z.string().regex(/^[0-9a-f]{64}$/i, 'must be 64 hexadecimal digits (openssl rand -hex 32)');

const variables = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  PORT: port.optional(),
  HOST: z.string().default('127.0.0.1'),
  DATABASE_URL: url('postgres:', 'postgresql:').optional(),
  REDIS_URL: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(url('redis:', 'rediss:')).min(1))
    .optional(),
  DATA_DIR: z
    .string()
    .default('.data')
    .transform((path) => resolve(path)),
  OPENAI_API_KEY: z.string().optional(),
  OPENAI_BASE_URL: url('http:', 'https:').optional(),
  AI_MODEL: z.string().default('gpt-4o-mini'),
  AI_OUTPUT_CAP: z.enum(['auto', 'both', 'max_tokens', 'max_completion_tokens']).default('auto'),
  MODEL_TIMEOUT_MS: z.coerce.number().int().min(100).max(600_000).default(60_000),
  REDIS_KEY_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,32}$/, 'must be 1 to 32 letters, digits, - or _')
    .default('tally'),
  JWT_SECRET: secret.optional(),
  JWT_SECRET_ALSO: secret.optional(),
  ENCRYPTION_KEY: key.optional(),
  ENCRYPTION_KEY_ALSO: key.optional(),
  INSTAGRAM_APP_SECRET: z.string().min(16, 'must have at least 16 characters').optional(),
  META_APP_SECRET: z.string().min(16, 'must have at least 16 characters').optional(),
  INSTAGRAM_VERIFY_TOKEN: z.string().optional(),
  INSTAGRAM_GRAPH_URL: url('http:', 'https:').default('https://graph.instagram.com/v26.0'),
  EXTRACTION_ALLOW_HOSTS: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim().toLowerCase()))
    .pipe(z.array(z.string().regex(/^(\[[0-9a-f:.]+\]|[^\s:/]+):\d{1,5}$/, 'must be host:port, comma-separated')))
    .default([]),
  CHROMIUM_PATH: z.string().optional(),
  REQUIRE_OPERATOR_SECOND_FACTOR: flag.default(false),
  SIGNUP_PLAN: z.enum(['starter', 'growth', 'scale']).optional(),
  METRICS_TOKEN: z
    .string()
    .regex(/^\S{16,}$/, 'must have at least 16 characters, and no space')
    .optional(),
  SMTP_URL: url('smtp:', 'smtps:').optional(),
  MAIL_FROM: z.string().min(3).max(200).default('Tally <tally@localhost>'),
  DEMO_DATA: flag.optional(),
  WORKER_CONCURRENCY: z.coerce.number().int().min(1).max(1_000).default(50),
  LIMIT_SUBMISSIONS_PER_MINUTE: limit(600),
  LIMIT_READS_PER_MINUTE: limit(6_000),
  LIMIT_LOGINS: limit(10),
  LIMIT_QUEUED_JOBS: limit(20_000),
  LIMIT_SIGNUP_PLANS: limit(5),
  RETENTION_JOBS_DAYS: days(30),
  RETENTION_EVENTS_DAYS: days(30).refine((value) => value !== 1, {
    message: 'must be 0 (for ever) or at least 2: an event that is delivered again must be known',
  }),
  RETENTION_CONVERSATIONS_DAYS: days(180),
  PROXY_HOPS: limit(0),
  PUBLIC_URL: url('http:', 'https:')
    .refine(
      (text) => /^https?:\/\/[^/?#@]+(?:\/[^?#]*)?$/i.test(text) && toPathPrefix(new URL(text).pathname) !== undefined,
      {
        message: 'must be an address with at most a path, such as https://host.example/tally',
      },
    )
    .transform((text) => ({ origin: new URL(text).origin, path: toPathPrefix(new URL(text).pathname) ?? '' }))
    .optional(),
  CORS_ORIGINS: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(origin))
    .default([]),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export type Environment = Readonly<Record<string, string | undefined>>;

/** All settings of a process. Optional services are undefined where nobody named one: `npm start` then brings its own. */
export type Settings = {
  production: boolean;
  /** Undefined: 8000, or the next free port where another process of ours has that. */
  port: number | undefined;
  host: string;
  databaseUrl: string | undefined;
  /** More than one address means a Redis Cluster. */
  redisUrls: string[] | undefined;
  dataDir: string;
  openai: {
    apiKey: string | undefined;
    baseUrl: string | undefined;
    model: string;
    timeoutMs: number;
    /** The field in which the model's server reads the cap on an answer; `auto`: by the server, and by what it refuses. */
    outputCap: 'auto' | 'both' | 'max_tokens' | 'max_completion_tokens';
  };
  instagram: {
    /** Webhooks signed with one of them are Meta's; none: every webhook is refused. */
    appSecrets: string[];
    /** Undefined: nobody can subscribe us. */
    verifyToken: string | undefined;
    graphUrl: string;
  };
  extraction: {
    /** `host:port`, exempt from the ban of addresses that are not public. */
    allowedHosts: string[];
    /** Undefined: the Chromium that is found. */
    chromiumPath: string | undefined;
  };
  redisKeyPrefix: string;
  jwtSecret: string | undefined;
  encryptionKey: string | undefined;
  /** While a secret is changed: what is accepted beside it, the coming one or the one before. */
  alsoAccepted: { jwtSecret: string | undefined; encryptionKey: string | undefined };
  /** Whether operators act only once they have a second factor. */
  requireOperatorSecondFactor: boolean;
  signupPlan: 'starter' | 'growth' | 'scale' | undefined;
  /** Whether this machine alone reaches the API. */
  isLocal: boolean;
  demoData: boolean;
  workerConcurrency: number;
  limits: {
    submissionsPerMinute: number;
    readsPerMinute: number;
    logins: number;
    queuedJobs: number;
    signupPlans: number;
  };
  /** What reads metrics; undefined: operators alone do. */
  metricsToken: string | undefined;
  mail: {
    /** Undefined: no e-mail is sent, and no address can be confirmed. */
    smtpUrl: string | undefined;
    from: string;
  };
  /** Days after which things are forgotten; 0: never. */
  retention: { jobsDays: number; eventsDays: number; conversationsDays: number };
  /** How many reverse proxies of ours stand in front, each adding the address it was called from to `X-Forwarded-For`. */
  proxyHops: number;
  /** Where clients reach the API; `path` has no slash at its end. Undefined: what requests say. */
  publicUrl: { origin: string; path: string } | undefined;
  /** Origins whose pages may call the API from a browser. */
  corsOrigins: string[];
  logLevel: string;
};

/** Settings of a process that does work: every service is known. */
export type Config = Settings & {
  databaseUrl: string;
  redisUrls: string[];
  openai: Settings['openai'] & { apiKey: string };
  jwtSecret: string;
  encryptionKey: string;
};

/** What a worker is told: it reads strangers' pages, and nothing that it knows lets anybody in. */
export type WorkerConfig = Omit<Config, 'jwtSecret'>;

/** What seals and opens stored secrets. */
export const sealKeysOf = ({
  encryptionKey,
  alsoAccepted,
}: Pick<WorkerConfig, 'encryptionKey' | 'alsoAccepted'>): SealKeys =>
  alsoAccepted.encryptionKey === undefined ? [encryptionKey] : [encryptionKey, alsoAccepted.encryptionKey];

/** All faults of an environment in one message. */
export class ConfigError extends Error {
  constructor(faults: string[]) {
    super(`The settings are not usable:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** Parses `env`; an empty variable counts as unset. @throws ConfigError naming every fault at once */
export function readSettings(env: Environment = process.env, required = requiredInProduction): Settings {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = variables.safeParse(given);
  const faults = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${issue.path.slice(0, 1).join('.')}: ${issue.message}`);
  if (given.NODE_ENV === 'production') {
    for (const [name, how] of Object.entries(required))
      if (given[name] === undefined) faults.push(`${name}: required when NODE_ENV=production (${how})`);
    if (given.SMTP_URL !== undefined && given.PUBLIC_URL === undefined)
      faults.push('PUBLIC_URL: required with SMTP_URL, for links in e-mails begin with it');
    if (given.SIGNUP_PLAN !== undefined && given.SMTP_URL === undefined)
      faults.push('SMTP_URL: required with SIGNUP_PLAN, which begins once an address is confirmed');
  }
  if (!parsed.success || faults.length > 0) throw new ConfigError(faults);
  const v = parsed.data;
  const isLocal = isLoopback(v.HOST) && v.PUBLIC_URL === undefined && v.NODE_ENV !== 'production';
  if (v.DEMO_DATA === true && !isLocal)
    throw new ConfigError(['DEMO_DATA: the demo accounts, whose password everybody knows, exist on loopback alone']);
  return {
    production: v.NODE_ENV === 'production',
    port: v.PORT,
    host: v.HOST,
    databaseUrl: v.DATABASE_URL,
    redisUrls: v.REDIS_URL,
    dataDir: v.DATA_DIR,
    openai: {
      // A server of one's own (Ollama, vLLM) often wants no key, but the client insists on one.
      apiKey: v.OPENAI_API_KEY ?? (v.OPENAI_BASE_URL === undefined ? undefined : 'none'),
      baseUrl: v.OPENAI_BASE_URL,
      model: v.AI_MODEL,
      timeoutMs: v.MODEL_TIMEOUT_MS,
      outputCap: v.AI_OUTPUT_CAP,
    },
    instagram: {
      appSecrets: [v.INSTAGRAM_APP_SECRET, v.META_APP_SECRET].filter((secret) => secret !== undefined),
      verifyToken: v.INSTAGRAM_VERIFY_TOKEN,
      graphUrl: v.INSTAGRAM_GRAPH_URL,
    },
    extraction: { allowedHosts: v.EXTRACTION_ALLOW_HOSTS, chromiumPath: v.CHROMIUM_PATH },
    redisKeyPrefix: v.REDIS_KEY_PREFIX,
    jwtSecret: v.JWT_SECRET,
    encryptionKey: v.ENCRYPTION_KEY,
    alsoAccepted: { jwtSecret: v.JWT_SECRET_ALSO, encryptionKey: v.ENCRYPTION_KEY_ALSO },
    requireOperatorSecondFactor: v.REQUIRE_OPERATOR_SECOND_FACTOR,
    signupPlan: v.SIGNUP_PLAN,
    isLocal,
    demoData: v.DEMO_DATA ?? isLocal,
    workerConcurrency: v.WORKER_CONCURRENCY,
    limits: {
      submissionsPerMinute: v.LIMIT_SUBMISSIONS_PER_MINUTE,
      readsPerMinute: v.LIMIT_READS_PER_MINUTE,
      logins: v.LIMIT_LOGINS,
      queuedJobs: v.LIMIT_QUEUED_JOBS,
      signupPlans: v.LIMIT_SIGNUP_PLANS,
    },
    metricsToken: v.METRICS_TOKEN,
    mail: { smtpUrl: v.SMTP_URL, from: v.MAIL_FROM },
    retention: {
      jobsDays: v.RETENTION_JOBS_DAYS,
      eventsDays: v.RETENTION_EVENTS_DAYS,
      conversationsDays: v.RETENTION_CONVERSATIONS_DAYS,
    },
    proxyHops: v.PROXY_HOPS,
    publicUrl: v.PUBLIC_URL,
    corsOrigins: v.CORS_ORIGINS,
    logLevel: v.LOG_LEVEL,
  };
}

const isLoopback = (host: string): boolean => /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/.test(host);

const requiredInProduction: Record<string, string> = {
  DATABASE_URL: 'postgres://user:password@host:5432/tally',
  REDIS_URL: 'redis://host:6379',
  JWT_SECRET: 'openssl rand -hex 32',
  ENCRYPTION_KEY: 'openssl rand -hex 32',
  OPENAI_API_KEY: 'or OPENAI_BASE_URL; the sandbox model is for development',
};

/** Variables that say something of one process only. All others must be the same in every process of an installation. */
const ownVariables = ['NODE_ENV', 'PORT', 'HOST', 'DATA_DIR', 'LOG_LEVEL', 'WORKER_CONCURRENCY', 'CHROMIUM_PATH'];

/** What of `env` the processes of one installation must agree on. */
export function sharedVariables(env: Environment = process.env): Record<string, string> {
  const names = Object.keys(variables.shape).filter((name) => !ownVariables.includes(name));
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

/** Where a running `npm start` leaves the variables of its services, so that `npm run api` and `worker` can join it. */
export const servicesFile = (dataDir: string): string => join(dataDir, 'services.json');

/**
 * Settings for a process that needs every service. What the environment leaves open is taken from the
 * `npm start` that runs on the same DATA_DIR. @throws ConfigError saying what to set or start
 */
export function loadConfig(env: Environment = process.env, required = requiredInProduction): Config {
  const own = readSettings(env, required);
  const settings = own.production ? own : readSettings({ ...readServices(own.dataDir), ...dropEmpty(env) });
  const faults: string[] = [];
  const hint = `set it, or run \`npm start\` first (no running one was found in ${settings.dataDir})`;
  const { databaseUrl, redisUrls } = settings;
  const { apiKey } = settings.openai;
  if (databaseUrl === undefined) faults.push(`DATABASE_URL: ${hint}`);
  if (redisUrls === undefined) faults.push(`REDIS_URL: ${hint}`);
  if (apiKey === undefined) faults.push(`OPENAI_API_KEY or OPENAI_BASE_URL: ${hint}`);
  if (databaseUrl === undefined || redisUrls === undefined || apiKey === undefined) throw new ConfigError(faults);
  const { jwtSecret = required.JWT_SECRET === undefined ? '' : undefined, encryptionKey } = settings;
  const secrets =
    jwtSecret !== undefined && encryptionKey !== undefined ? { jwtSecret, encryptionKey } : keepSecrets(settings);
  return { ...settings, ...secrets, databaseUrl, redisUrls, openai: { ...settings.openai, apiKey } };
}

/** The same for a worker, without what would let anybody in. @throws ConfigError */
export function loadWorkerConfig(env: Environment = process.env): WorkerConfig {
  const { JWT_SECRET: _, ...required } = requiredInProduction;
  const { jwtSecret, alsoAccepted, ...config } = loadConfig(env, required);
  return { ...config, alsoAccepted: { ...alsoAccepted, jwtSecret: undefined } };
}

/** The secrets of an installation without configured ones: made once, kept in DATA_DIR, readable by their owner only. */
export function keepSecrets(settings: Settings): { jwtSecret: string; encryptionKey: string } {
  const path = join(settings.dataDir, 'secrets.json');
  mkdirSync(settings.dataDir, { recursive: true });
  try {
    const made = { jwtSecret: randomBytes(32).toString('hex'), encryptionKey: randomBytes(32).toString('hex') };
    writeFileSync(path, JSON.stringify(made), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const kept = z
    .object({ jwtSecret: z.string().min(32), encryptionKey: z.string().length(64) })
    .parse(JSON.parse(readFileSync(path, 'utf8')));
  return {
    jwtSecret: settings.jwtSecret ?? kept.jwtSecret,
    encryptionKey: settings.encryptionKey ?? kept.encryptionKey,
  };
}

function readServices(dataDir: string): Environment {
  try {
    return z.record(z.string(), z.string()).parse(JSON.parse(readFileSync(servicesFile(dataDir), 'utf8')));
  } catch {
    return {};
  }
}

function dropEmpty(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
}
