/** Plans the sandbox, which stands in for every external service that is not configured. */
import { createHmac, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Settings } from '@tally/core';
import { freePort, isFree } from '@tally/embedded';
import { z } from 'zod';
import { urlOf } from './port.ts';

export type SandboxPlan = {
  /** Variables of the sandbox itself. */
  own: Record<string, string>;
  /** Variables that point other processes to the sandbox. */
  shared: Record<string, string>;
  url: string;
  shopUrl: string;
  /** Whether it stands in for the model. */
  isModel: boolean;
  /** Whether it stands in for the mail server. */
  isMail: boolean;
};

const host = '127.0.0.1';

/**
 * Chooses ports and secrets here, because values chosen by the sandbox would change when it restarts after a crash.
 * Undefined in production, and where model, Instagram and mail server are all configured.
 */
export async function planSandbox(
  settings: Settings,
  env: NodeJS.ProcessEnv,
  secrets: { encryptionKey: string },
): Promise<SandboxPlan | undefined> {
  const isModel = settings.openai.apiKey === undefined;
  const isMail = settings.mail.smtpUrl === undefined;
  if (settings.production || (!isModel && !isMail && env.INSTAGRAM_GRAPH_URL)) return undefined;
  const { port, shopPort, smtpPort } = await choosePorts(join(settings.dataDir, 'sandbox-ports.json'));
  const url = urlOf(host, port);
  const apiKey = randomBytes(16).toString('hex');
  // Derived from the encryption key, so that they are the same after every start.
  const derived = (what: string) => createHmac('sha256', secrets.encryptionKey).update(what).digest('hex');
  const appSecret = settings.instagram.appSecrets[0] ?? derived('instagram app secret');
  const shared = {
    ...(isModel && { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: apiKey }),
    ...(settings.instagram.appSecrets.length === 0 && { INSTAGRAM_APP_SECRET: appSecret }),
    ...(settings.instagram.verifyToken === undefined && { INSTAGRAM_VERIFY_TOKEN: derived('instagram verify token') }),
    ...(!env.INSTAGRAM_GRAPH_URL && { INSTAGRAM_GRAPH_URL: `${url}/graph` }),
    ...(isMail && { SMTP_URL: `smtp://${host}:${smtpPort}` }),
    ...(!env.EXTRACTION_ALLOW_HOSTS && { EXTRACTION_ALLOW_HOSTS: `${host}:${shopPort}` }),
  };
  const own = {
    SANDBOX_HOST: host,
    SANDBOX_PORT: String(port),
    SANDBOX_SHOP_PORT: String(shopPort),
    SANDBOX_SMTP_PORT: String(smtpPort),
    SANDBOX_API_KEY: apiKey,
    SANDBOX_INSTAGRAM_APP_SECRET: appSecret,
  };
  return { own, shared, url, shopUrl: urlOf(host, shopPort), isModel, isMail };
}

const Ports = z.object({ port: z.int(), shopPort: z.int(), smtpPort: z.int() });

/** The last start's ports if they are still free, because products read from the sample shop contain its address. */
async function choosePorts(file: string): Promise<z.infer<typeof Ports>> {
  const last = Ports.safeParse(readJson(file)).data;
  if (last && (await isFree(last.port)) && (await isFree(last.shopPort)) && (await isFree(last.smtpPort))) return last;
  const ports = { port: await freePort(), shopPort: await freePort(), smtpPort: await freePort() };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(ports));
  return ports;
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
