/** Reads the settings from the environment, once; nothing else in the code touches `process.env`. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { SealKeys } from './sealed.ts';
import { listSettings, placeValues, settings, type ValuesOf } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

type Values = ValuesOf<typeof settings>;

/** All settings of a process. Optional services are undefined where nobody named one: `npm start` then brings its own. */
export type Settings = Omit<Values, 'demoData' | 'instagram'> & {
  /** Whether this machine alone reaches the API. */
  isLocal: boolean;
  demoData: boolean;
  /** Webhooks signed with one of the secrets are Meta's; none: every webhook is refused. */
  instagram: Omit<Values['instagram'], 'appSecret' | 'metaAppSecret'> & { appSecrets: string[] };
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

const variables = z.object(
  Object.fromEntries(listSettings().map(({ variable, schema }) => [variable, schema])) as Record<string, z.ZodType>,
);

/** Parses `env`; an empty variable counts as unset. @throws ConfigError naming every fault at once */
export function readSettings(env: Environment = process.env, required = requiredInProduction): Settings {
  const given = dropEmpty(env);
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
  const values = placeValues(settings, parsed.data);
  const isLocal = isLoopback(values.host) && values.publicUrl === undefined && !values.production;
  if (values.demoData === true && !isLocal)
    throw new ConfigError(['DEMO_DATA: the demo accounts, whose password everybody knows, exist on loopback alone']);
  const { appSecret, metaAppSecret, ...instagram } = values.instagram;
  const { openai } = values;
  return {
    ...values,
    isLocal,
    demoData: values.demoData ?? isLocal,
    // A server of one's own (Ollama, vLLM) often wants no key, but the client insists on one.
    openai: { ...openai, apiKey: openai.apiKey ?? (openai.baseUrl === undefined ? undefined : 'none') },
    instagram: { ...instagram, appSecrets: [appSecret, metaAppSecret].filter((given) => given !== undefined) },
  };
}

const isLoopback = (host: string): boolean => /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/.test(host);

const requiredInProduction: Record<string, string> = Object.fromEntries(
  listSettings().flatMap(({ variable, required }) => (required === undefined ? [] : [[variable, required]])),
);

/** What of `env` the processes of one installation must agree on. */
export function sharedVariables(env: Environment = process.env): Record<string, string> {
  const names = listSettings().flatMap(({ variable, isOwn }) => (isOwn ? [] : [variable]));
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
  const found = own.production ? own : readSettings({ ...readServices(own.dataDir), ...dropEmpty(env) });
  const faults: string[] = [];
  const hint = `set it, or run \`npm start\` first (no running one was found in ${found.dataDir})`;
  const { databaseUrl, redisUrls } = found;
  const { apiKey } = found.openai;
  if (databaseUrl === undefined) faults.push(`DATABASE_URL: ${hint}`);
  if (redisUrls === undefined) faults.push(`REDIS_URL: ${hint}`);
  if (apiKey === undefined) faults.push(`OPENAI_API_KEY or OPENAI_BASE_URL: ${hint}`);
  if (databaseUrl === undefined || redisUrls === undefined || apiKey === undefined) throw new ConfigError(faults);
  const { jwtSecret = required.JWT_SECRET === undefined ? '' : undefined, encryptionKey } = found;
  const secrets =
    jwtSecret !== undefined && encryptionKey !== undefined ? { jwtSecret, encryptionKey } : keepSecrets(found);
  return { ...found, ...secrets, databaseUrl, redisUrls, openai: { ...found.openai, apiKey } };
}

/** The same for a worker, without what would let anybody in. @throws ConfigError */
export function loadWorkerConfig(env: Environment = process.env): WorkerConfig {
  const { JWT_SECRET: _, ...required } = requiredInProduction;
  const { jwtSecret, alsoAccepted, ...config } = loadConfig(env, required);
  return { ...config, alsoAccepted: { ...alsoAccepted, jwtSecret: undefined } };
}

/** The secrets of an installation without configured ones: made once, kept in DATA_DIR, readable by their owner only. */
export function keepSecrets(own: Settings): { jwtSecret: string; encryptionKey: string } {
  const path = join(own.dataDir, 'secrets.json');
  mkdirSync(own.dataDir, { recursive: true });
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
    jwtSecret: own.jwtSecret ?? kept.jwtSecret,
    encryptionKey: own.encryptionKey ?? kept.encryptionKey,
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
