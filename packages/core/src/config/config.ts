/** Reads the settings from the environment, once; nothing else in the code touches `process.env`. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { SealKeys } from '../secrets/sealed.ts';
import { listSettings, placeValues, settings, type ValuesOf } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

type Values = ValuesOf<typeof settings>;

/** All settings of a process. Services that are not configured are undefined; `npm start` then starts its own. */
export type Settings = Omit<Values, 'demoData' | 'instagram'> & {
  /** Whether the API is reachable from this machine only. */
  isLocal: boolean;
  demoData: boolean;
  /** A webhook signed with one of these secrets comes from Meta; with an empty list every webhook is refused. */
  instagram: Omit<Values['instagram'], 'appSecret' | 'metaAppSecret'> & { appSecrets: string[] };
};

/** Settings of a process that needs every service. */
export type Config = Settings & {
  databaseUrl: string;
  redisUrls: string[];
  openai: Settings['openai'] & { apiKey: string };
  jwtSecret: string;
  encryptionKey: string;
};

/** Settings of a worker. It has no JWT secret, because it loads untrusted pages and must not be able to sign logins. */
export type WorkerConfig = Omit<Config, 'jwtSecret'>;

/** The keys that seal and unseal stored secrets. */
export const sealKeysOf = ({
  encryptionKey,
  alsoAccepted,
}: Pick<WorkerConfig, 'encryptionKey' | 'alsoAccepted'>): SealKeys =>
  alsoAccepted.encryptionKey === undefined ? [encryptionKey] : [encryptionKey, alsoAccepted.encryptionKey];

/** All invalid settings of an environment in one message. */
export class ConfigError extends Error {
  constructor(faults: string[]) {
    super(`The settings are not usable:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

const variables = z.object(
  Object.fromEntries(listSettings().map(({ variable, schema }) => [variable, schema])) as Record<string, z.ZodType>,
);

/** Parses `env`; an empty variable counts as unset. @throws ConfigError listing every invalid setting */
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
    // A self-hosted server (Ollama, vLLM) often needs no key, but the OpenAI client requires one.
    openai: { ...openai, apiKey: openai.apiKey ?? (openai.baseUrl === undefined ? undefined : 'none') },
    instagram: { ...instagram, appSecrets: [appSecret, metaAppSecret].filter((given) => given !== undefined) },
  };
}

const isLoopback = (host: string): boolean => /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/.test(host);

const requiredInProduction: Record<string, string> = Object.fromEntries(
  listSettings().flatMap(({ variable, required }) => (required === undefined ? [] : [[variable, required]])),
);

/** The variables of `env` that must be equal in all processes of one installation. */
export function sharedVariables(env: Environment = process.env): Record<string, string> {
  const names = listSettings().flatMap(({ variable, isOwn }) => (isOwn ? [] : [variable]));
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

/** File in which a running `npm start` stores its services' variables for `npm run api` and `npm run worker`. */
export const servicesFile = (dataDir: string): string => join(dataDir, 'services.json');

/**
 * Settings for a process that needs every service. Services missing from the environment are taken from the
 * `npm start` running on the same DATA_DIR. @throws ConfigError saying what to set or start
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

/** The same for a worker, without the secrets that sign logins. @throws ConfigError */
export function loadWorkerConfig(env: Environment = process.env): WorkerConfig {
  const { JWT_SECRET: _, ...required } = requiredInProduction;
  const { jwtSecret, alsoAccepted, ...config } = loadConfig(env, required);
  return { ...config, alsoAccepted: { ...alsoAccepted, jwtSecret: undefined } };
}

/** Secrets of an installation that configures none: generated once and stored in DATA_DIR for their owner only. */
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
