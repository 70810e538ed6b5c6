/** A whole platform in this process: API, workers and sandbox over storage that is given. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { StreamLimits } from '@tally/api/jobs/event-streams';
import { type ClientTimeouts, type RunningApi, startApi } from '@tally/api/start';
import { type Config, type Logger, loadConfig } from '@tally/core';
import { createSandbox, type Sandbox } from '@tally/sandbox/server';
import type { AnyTask } from '@tally/tasks';
import type { Network } from '@tally/worker/pages/proxy/dial';
import { type RunningWorker, startWorker } from '@tally/worker/start';
import { type NewAccount, newAccount } from './accounts.ts';
import type { CloseLater } from './clean-up.ts';
import { type Client, createClient } from './client.ts';
import { processEnvironment } from './processes.ts';
import { instagramSecret, testSettings } from './settings.ts';

export type Person = { accountId: string; email: string; token: string };

export type Platform = Client & {
  config: Config;
  api: RunningApi;
  url: string;
  sandbox: Sandbox;
  /** The sandbox's sample shop. */
  shopUrl: string;
  /** A logged-in account, as {@link newAccount} makes them. */
  newPerson(input?: NewAccount): Promise<Person>;
  /** One more API with other settings; its URL. @throws where it refuses them */
  startApi(env: Record<string, string>): Promise<string>;
  /** One more worker in this process. */
  startWorker(options?: { env?: Record<string, string>; network?: Partial<Network> }): Promise<void>;
  /** A worker in a process of its own, which can be killed by SIGKILL. */
  startWorkerProcess(): Promise<{ kill(): Promise<void> }>;
  /** Shuts down every worker in this process. */
  stopWorkers(): Promise<void>;
};

export type PlatformOptions = {
  /** Environment variables beside {@link testSettings} and the storage. */
  env?: Record<string, string>;
  /** The path of the sandbox's dialect (apps/sandbox/src/model/dialects); by default OpenAI's. */
  modelPath?: string;
  /** False: nothing takes jobs. */
  worker?: boolean;
  log: Logger;
  /** By default the registry's. */
  tasks?: readonly AnyTask[];
  /** How long the API waits for its clients. */
  clientTimeouts?: ClientTimeouts;
  /** What pages are opened over. */
  network?: Partial<Network>;
  /** Where event streams differ from production. */
  streams?: Partial<StreamLimits>;
};

const workerMain = fileURLToPath(import.meta.resolve('@tally/worker/main'));

/** Starts a platform over `storage`, which is migrated and names a database and a Redis. */
export async function startPlatformOver(
  storage: Record<string, string>,
  { env = {}, modelPath = '/v1', worker = true, log, network, streams, tasks, clientTimeouts }: PlatformOptions,
  closeLater: CloseLater,
): Promise<Platform> {
  const sandbox = createSandbox({ instagram: { appSecret: instagramSecret } });
  const [listener, shop, mail] = await Promise.all([
    sandbox.listen(0),
    sandbox.listenShop(0),
    sandbox.mailbox.listen(0),
  ]);
  closeLater(async () => {
    await Promise.all([listener.close(), shop.close(), mail.close()]);
  });
  const variables: Record<string, string> = {
    ...testSettings,
    OPENAI_BASE_URL: `${listener.url}${modelPath}`,
    INSTAGRAM_GRAPH_URL: `${listener.url}/graph`,
    SMTP_URL: mail.url,
    EXTRACTION_ALLOW_HOSTS: new URL(shop.url).host,
    ...storage,
    ...env,
  };
  const configWith = (own: Record<string, string> = {}): Config => loadConfig({ ...variables, ...own });
  const openApi = async (config: Config): Promise<RunningApi> => {
    const api = await startApi(config, log, {
      ...(tasks && { tasks }),
      ...(streams && { streams }),
      ...(clientTimeouts && { clientTimeouts }),
    });
    closeLater(() => api.close());
    return api;
  };
  const config = configWith();
  const api = await openApi(config);
  sandbox.instagram.settings.current.webhook_url = `${api.url}/webhooks/instagram`;

  const workers: RunningWorker[] = [];
  const start: Platform['startWorker'] = async (own = {}) => {
    const over = own.network ?? network;
    workers.push(
      await startWorker(configWith(own.env), log, { ...(over && { network: over }), ...(tasks && { tasks }) }),
    );
  };
  const stopWorkers = async () => {
    await Promise.all(workers.splice(0).map(({ close }) => close()));
  };
  closeLater(stopWorkers);
  if (worker) await start();

  return {
    ...createClient(api.url),
    config,
    api,
    url: api.url,
    sandbox,
    shopUrl: shop.url,
    startApi: async (own) => (await openApi(configWith(own))).url,
    startWorker: start,
    startWorkerProcess: async () => {
      const child = fork(workerMain, { env: { ...processEnvironment, ...variables }, stdio: 'ignore' });
      const exited = once(child, 'exit');
      const kill = async () => {
        child.kill('SIGKILL');
        await exited;
      };
      closeLater(kill);
      await once(child, 'message');
      return { kill };
    },
    stopWorkers,
    async newPerson(input = {}) {
      const { accountId, email } = await newAccount(api.services, input);
      // What a login would return, without the work of its password hash.
      return { accountId, email, token: await api.services.authenticator.tokens.issue({ accountId, tokenVersion: 1 }) };
    },
  };
}
