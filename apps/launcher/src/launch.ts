/** Starts Tally's processes in order and stops them in order. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, keepSecrets, readSettings, type Settings, servicesFile, sharedVariables } from '@tally/core';
import { freePort } from '@tally/embedded';
import { type Child, keepRunning, type Program, runOnce } from './child.ts';
import { LaunchFault } from './fault.ts';
import { takeLock } from './lock.ts';
import { summary } from './output/summary.ts';
import { during, say } from './output/terminal.ts';
import { refuseTakenPort, urlOf } from './port.ts';
import { answersReady, readyInTime } from './ready.ts';
import { planSandbox } from './sandbox.ts';
import { type Services, startServices } from './services.ts';
import { awaitStop, type StopRequest } from './stop-request.ts';

/** The programs, as arguments to node, relative to the repository. Tests pass stand-ins. */
type Programs = Record<'sandbox' | 'migrate' | 'seed' | 'api' | 'worker', string[]>;

export type LaunchOptions = { root: string; programs: Programs; env: NodeJS.ProcessEnv };

const defaultPort = 8_000;
/** Time that processes of an earlier run need to end by themselves after SIGKILL of their launcher. */
const leftoverMs = 10_000;
/** The worker gives back jobs that it can't finish within 25 s. */
const drainMs = 30_000;
const sandboxStopMs = 5_000;

/** Runs Tally until a stop is requested, and leaves no process running. @throws LaunchFault where it does not start */
export async function launch({ root, programs, env }: LaunchOptions): Promise<void> {
  const settings = readUsableSettings(env);
  const port = settings.port === 0 ? await freePort() : (settings.port ?? defaultPort);
  const lock = await takeLock(settings.dataDir, urlOf(settings.host, port));
  try {
    const waitMs = lock.tookOver ? leftoverMs : 0;
    await during(`Waiting for port ${port}`, refuseTakenPort(settings.host, port, waitMs));
    await run({ root, programs, env, settings, port, stop: awaitStop(env) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES') throw error;
    throw new LaunchFault(
      `${message}. Was DATA_DIR used by another user? Start as that user, or set another DATA_DIR.`,
    );
  } finally {
    lock.release();
  }
}

function readUsableSettings(env: NodeJS.ProcessEnv): Settings {
  try {
    return readSettings(env);
  } catch (error) {
    throw error instanceof ConfigError ? new LaunchFault(error.message) : error;
  }
}

type Run = LaunchOptions & { settings: Settings; port: number; stop: StopRequest };
type Children = Partial<Record<keyof Programs, Child>>;

async function run(options: Run): Promise<void> {
  const { settings, stop } = options;
  const services = startServices(settings);
  const children: Children = {};
  const starting = start(options, services, children);
  try {
    await Promise.race([starting, stop.requested]);
    await stop.requested;
    say('Stopping…');
  } finally {
    await stopAll(services, children, stop);
    rmSync(servicesFile(settings.dataDir), { force: true });
  }
}

/** Adds each child to `children` as soon as it is spawned. @throws where one does not start, or on a stop request */
async function start(options: Run, services: Services, children: Children): Promise<void> {
  const { root, programs, env, settings, port, stop } = options;
  const { dataDir, host } = settings;
  const startedAt = Date.now();
  const step = <T>(what: string, work: Promise<T>): Promise<T> => during(what, unlessStopped(work, stop));
  const program = (name: keyof Programs, variables: Record<string, string>): Program => ({
    name,
    args: programs[name],
    root,
    // Node caches compiled code there, which makes the start of every process a third faster.
    env: { NODE_COMPILE_CACHE: join(dataDir, 'cache'), ...env, ...variables },
    logFile: join(dataDir, 'logs', `${name}.log`),
  });

  const secrets = keepSecrets(settings);
  const sandboxPlan = await unlessStopped(planSandbox(settings, env, secrets), stop);
  if (sandboxPlan)
    children.sandbox = keepRunning(
      program('sandbox', { ...sandboxPlan.own, SANDBOX_WEBHOOK_URL: webhookUrl(host, port) }),
    );
  const addresses = await step('Starting Postgres and Redis', services.ready);
  const shared: Record<string, string> = {
    ...sharedVariables(env),
    ...addresses,
    ...sandboxPlan?.shared,
    JWT_SECRET: secrets.jwtSecret,
    ENCRYPTION_KEY: secrets.encryptionKey,
  };
  // Not in production, where each process has its own environment, because these are secrets.
  if (!settings.production) writePrivate(servicesFile(dataDir), JSON.stringify(shared));
  const own = { ...shared, DATA_DIR: dataDir, HOST: host, PORT: String(port) };

  children.migrate = runOnce(program('migrate', own));
  await step('Bringing the database up to date', children.migrate.ready);
  children.api = keepRunning(program('api', own));
  children.worker = keepRunning(withoutJwtSecret(program('worker', own)));
  if (settings.demoData) children.seed = runOnce(program('seed', own));
  const { sandbox, api, worker, seed } = children;
  if (sandbox) await step('Starting the sandbox', readyInTime('sandbox', sandbox));
  await step('Starting API and worker', Promise.all([readyInTime('api', api), readyInTime('worker', worker)]));
  if (seed) await step('Laying out the demo data', seed.ready);
  const url = urlOf(host, port);
  await step('Waiting until all is ready', answersReady(url));
  say(summary({ url, settings, sandboxPlan, startMs: Date.now() - startedAt }));
}

/** The worker loads untrusted pages, so the secret that signs logins is not in its environment. */
function withoutJwtSecret(program: Program): Program {
  const { JWT_SECRET: _, ...env } = program.env;
  return { ...program, env };
}

const webhookUrl = (host: string, port: number): string => `${urlOf(host, port)}/webhooks/instagram`;

/** Resolves or rejects with `work`, but rejects at once on a stop request. */
function unlessStopped<T>(work: Promise<T>, stop: StopRequest): Promise<T> {
  const stopped = stop.requested.then(() => {
    throw new Error('asked to stop while starting');
  });
  return Promise.race([work, stopped]);
}

/** Stops dependents first: API and worker, then the services they use. */
async function stopAll(services: Services, children: Children, stop: StopRequest): Promise<void> {
  let hurry = false;
  void stop.repeated.then(() => {
    hurry = true;
    say('Stopping at once');
    for (const child of Object.values(children)) child.kill();
    void services.stop({ hurry });
  });
  // A terminal's Ctrl-C has reached all of them.
  for (const child of Object.values(children)) child.expectEnd();
  const { sandbox, ...dependents } = children;
  await Promise.all(Object.values(dependents).map((child) => child.stop(drainMs)));
  await sandbox?.stop(sandboxStopMs);
  await services.stop({ hurry });
}

/** Replaces an existing file, whose permissions may be wider. */
function writePrivate(path: string, text: string): void {
  rmSync(path, { force: true });
  writeFileSync(path, text, { mode: 0o600 });
}
