/** Runs the embedded redis-server: on 127.0.0.1 only, password-protected, with its data in a folder. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import type { EndStep, Guarded } from './guarded.ts';
import { launch, portTaken } from './launch.ts';
import { endLeftover } from './leftover.ts';
import { freePort } from './ports.ts';
import { findRedis } from './redis-server.ts';
import { startService } from './service.ts';

export type RedisOptions = {
  /** Parent of the folder `redis`. The caller must ensure that only one instance uses it. */
  dataDir: string;
  /** 0 or undefined: a free port. */
  port?: number;
  /** Whether data outlive the process, in an append-only file synced once a second. */
  persist: boolean;
  /** By default random, and different at every start. */
  password?: string;
  /** Default: `logs/redis.log` under `dataDir`. */
  logFile?: string;
  /** Called with how the process ended when it ended unexpectedly; `restart` starts it again. */
  onDeath?: (how: string) => void;
};

export type Redis = {
  /** `redis://:password@127.0.0.1:port`, unchanged by a restart. */
  readonly url: string;
  readonly port: number;
  /** Changes with every restart. */
  readonly pid: number;
  /** Shuts down orderly, with all writes on disk if it persists. */
  stop(): Promise<void>;
  /** Sends SIGKILL; resolves once the process has exited. */
  kill(): Promise<void>;
  /** Stops it if it runs, and starts it again on the same port. */
  restart(options?: { keepData: boolean }): Promise<void>;
};

const orderly: EndStep[] = [
  { signal: 'SIGTERM', seconds: 10 },
  { signal: 'SIGKILL', seconds: 2 },
];

/** Starts a redis-server and resolves once it answers PING. @throws Error with the fault from its log */
export async function startRedis(options: RedisOptions): Promise<Redis> {
  const { command } = findRedis();
  const dataDir = resolve(options.dataDir);
  const folder = join(dataDir, 'redis');
  const config = join(folder, 'redis.conf');
  const logFile = options.logFile ?? join(dataDir, 'logs', 'redis.log');
  const password = options.password ?? randomBytes(24).toString('base64url');
  let port = options.port || (await freePort());

  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await endLeftover(join(folder, 'redis.pid'), { trait: earlierAddress(config), signal: 'SIGTERM' });

  let first = true;
  const start = (): Promise<Guarded> =>
    launch({
      name: 'redis-server',
      options() {
        writeConfig(config, { port, folder, password, persist: options.persist });
        return { command, args: [config], logFile, endSteps: orderly };
      },
      isReady: () => answersPing(port, password),
      endSteps: orderly,
      async isTransient(output) {
        if (portTaken(output) && first && !options.port) port = await freePort();
        return portTaken(output) && (!first || !options.port);
      },
    });
  const service = await startService(start, options.onDeath);
  first = false;

  return {
    url: `redis://:${encodeURIComponent(password)}@127.0.0.1:${port}`,
    port,
    get pid() {
      return service.pid;
    },
    stop: () => service.end(),
    kill: () => service.end([{ signal: 'SIGKILL', seconds: 10 }]),
    async restart({ keepData } = { keepData: true }) {
      await service.end();
      if (!keepData) rmSync(join(folder, 'appendonlydir'), { recursive: true, force: true });
      await service.start();
    },
  };
}

/** Writes the password to a file readable by its owner only, because other users can read command lines. */
function writeConfig(
  path: string,
  { port, folder, password, persist }: { port: number; folder: string; password: string; persist: boolean },
): void {
  const lines = [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${JSON.stringify(password)}`,
    `dir ${JSON.stringify(folder)}`,
    `pidfile ${JSON.stringify(join(folder, 'redis.pid'))}`,
    'daemonize no',
    // Eviction would lose queued jobs.
    'maxmemory-policy noeviction',
    'save ""',
    `appendonly ${persist ? 'yes' : 'no'}`,
    'appendfsync everysec',
  ];
  rmSync(path, { force: true });
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
}

/** The address of an earlier run, which is in its process title and distinguishes it from other redis-servers. */
function earlierAddress(config: string): string {
  const port = existsSync(config) ? /^port (\d+)$/m.exec(readFileSync(config, 'utf8'))?.[1] : undefined;
  return `127.0.0.1:${port ?? 'none'}`;
}

/** Whether it answers PONG; while it loads its file, it answers LOADING. */
function answersPing(port: number, password: string): Promise<boolean> {
  return new Promise((resolvePing) => {
    let answer = '';
    const socket = connect({ port, host: '127.0.0.1' });
    const finish = (answered: boolean): void => {
      socket.destroy();
      resolvePing(answered);
    };
    socket.setTimeout(1_000, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
    socket.once('connect', () => socket.write(`AUTH ${JSON.stringify(password)}\r\nPING\r\n`));
    socket.on('data', (chunk) => {
      answer += chunk.toString();
      if (answer.includes('+PONG')) finish(true);
      else if (answer.includes('-LOADING')) finish(false);
    });
  });
}
