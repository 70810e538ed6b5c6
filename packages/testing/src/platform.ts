/** Starts a platform in this process: API, workers and sandbox over given storage. */
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
  /** Creates an account with {@link newAccount} and logs it in. */
  newPerson(input?: NewAccount): Promise<Person>;
  /** Starts another API with additional settings and returns its URL. @throws for invalid settings */
  startApi(env: Record<string, string>): Promise<string>;
  /** Starts another worker in this process. */
  startWorker(options?: { env?: Record<string, string>; network?: Partial<Network> }): Promise<void>;
  /** Starts a worker in its own process, which can be killed with SIGKILL. */
  startWorkerProcess(): Promise<{ kill(): Promise<void> }>;
  /** Shuts down every worker in this process. */
  stopWorkers(): Promise<void>;
};

export type PlatformOptions = {
  /** Environment variables beside {@link testSettings} and the storage. */
  env?: Record<string, string>;
  /** The path of the sandbox's dialect (apps/sandbox/src/model/dialects); by default OpenAI's. */
  modelPath?: string;
  /** False: no worker is started. */
  worker?: boolean;
  log: Logger;
  /** By default the registry's. */
  tasks?: readonly AnyTask[];
  /** The API's timeouts for slow clients. */
  clientTimeouts?: ClientTimeouts;
  /** Overrides the network functions with which pages are opened. */
  network?: Partial<Network>;
  /** Overrides the limits of event streams. */
  streams?: Partial<StreamLimits>;
};

const workerMain = fileURLToPath(import.meta.resolve('@tally/worker/main'));

/** Starts a platform over `storage`: variables of a migrated database and a Redis. */
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
      // The token that a login would return, without the cost of its password hash.
      return { accountId, email, token: await api.services.authenticator.tokens.issue({ accountId, tokenVersion: 1 }) };
    },
  };
}
