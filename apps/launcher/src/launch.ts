/** The order in which Tally starts, and ends. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, keepSecrets, readSettings, type Settings, servicesFile, sharedVariables } from '@tally/core';
import { freePort } from '@tally/embedded';
import { type Child, keepRunning, type Program, runOnce } from './child.ts';
import { LaunchFault } from './fault.ts';
import { takeLock } from './lock.ts';
import { refuseTakenPort, urlOf } from './port.ts';
import { answersReady, readyInTime } from './ready.ts';
import { planSandbox } from './sandbox.ts';
import { type Services, startServices } from './services.ts';
import { awaitStop, type StopRequest } from './stop-request.ts';
import { summary } from './summary.ts';
import { during, say } from './terminal.ts';

/** What is run, as arguments to node, relative to the repository. Tests put stand-ins here. */
type Programs = Record<'sandbox' | 'migrate' | 'seed' | 'api' | 'worker', string[]>;

export type LaunchOptions = { root: string; programs: Programs; env: NodeJS.ProcessEnv };

const defaultPort = 8_000;
/** What an earlier run left behind by kill -9 takes to end by itself. */
const leftoverMs = 10_000;
/** The worker hands back what it can't finish within 25 s. */
const drainMs = 30_000;
const sandboxStopMs = 5_000;

/** Runs Tally until it is asked to stop, and leaves no process behind. @throws LaunchFault when it does not start */
export async function launch({ root, programs, env }: LaunchOptions): Promise<void> {
  const settings = readUsableSettings(env);
  const port = settings.port === 0 ? await freePort() : (settings.port ?? defaultPort);
  const lock = await takeLock(settings.dataDir, urlOf(settings.host, port));
  try {
    const patienceMs = lock.tookOver ? leftoverMs : 0;
    await during(`Waiting for port ${port}`, refuseTakenPort(settings.host, port, patienceMs));
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
    await Promise.race([starting, stop.asked]);
    await stop.asked;
    say('Stopping…');
  } finally {
    await stopAll(services, children, stop);
    rmSync(servicesFile(settings.dataDir), { force: true });
  }
}

/** Puts each child into `children` the moment it exists. @throws where something does not start, or a stop is asked for */
async function start(options: Run, services: Services, children: Children): Promise<void> {
  const { root, programs, env, settings, port, stop } = options;
  const { dataDir, host } = settings;
  const startedAt = Date.now();
  const step = <T>(what: string, work: Promise<T>): Promise<T> => during(what, unlessStopped(work, stop));
  const program = (name: keyof Programs, variables: Record<string, string>): Program => ({
    name,
    args: programs[name],
    root,
    // Node keeps there what it made of our sources, which takes a third off the start of every process.
    env: { NODE_COMPILE_CACHE: join(dataDir, 'cache'), ...env, ...variables },
    logFile: join(dataDir, 'logs', `${name}.log`),
  });

  const secrets = keepSecrets(settings);
  const world = await unlessStopped(planSandbox(settings, env, secrets), stop);
  if (world)
    children.sandbox = keepRunning(program('sandbox', { ...world.own, SANDBOX_WEBHOOK_URL: webhookUrl(host, port) }));
  const addresses = await step('Starting Postgres and Redis', services.ready);
  const shared: Record<string, string> = {
    ...sharedVariables(env),
    ...addresses,
    ...world?.shared,
    JWT_SECRET: secrets.jwtSecret,
    ENCRYPTION_KEY: secrets.encryptionKey,
  };
  // In production every process is told by its own environment, and these are secrets.
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
  say(summary({ url, settings, world, startMs: Date.now() - startedAt }));
}

/** A worker reads strangers' pages: what would let anybody in is not in its environment. */
function withoutJwtSecret(program: Program): Program {
  const { JWT_SECRET: _, ...env } = program.env;
  return { ...program, env };
}

const webhookUrl = (host: string, port: number): string => `${urlOf(host, port)}/webhooks/instagram`;

/** Resolves or rejects with `work`, but rejects at once when a stop is asked for. */
function unlessStopped<T>(work: Promise<T>, stop: StopRequest): Promise<T> {
  const stopped = stop.asked.then(() => {
    throw new Error('asked to stop while starting');
  });
  return Promise.race([work, stopped]);
}

/** Those who need others first: API and worker, then what they used. */
async function stopAll(services: Services, children: Children, stop: StopRequest): Promise<void> {
  let hurry = false;
  void stop.hurried.then(() => {
    hurry = true;
    say('Stopping at once');
    for (const child of Object.values(children)) child.kill();
    void services.stop({ hurry });
  });
  // A terminal's Ctrl-C has reached them all.
  for (const child of Object.values(children)) child.expectEnd();
  const { sandbox, ...users } = children;
  await Promise.all(Object.values(users).map((child) => child.stop(drainMs)));
  await sandbox?.stop(sandboxStopMs);
  await services.stop({ hurry });
}

/** Also where a file with other rights lies there already. */
function writePrivate(path: string, text: string): void {
  rmSync(path, { force: true });
  writeFileSync(path, text, { mode: 0o600 });
}
