/** Runs a redis-server of our own: 127.0.0.1 only, password-protected, its data in a folder. */
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
  /** Everything lies in `redis` under it. One instance at a time may use it; the caller sees to that. */
  dataDir: string;
  /** 0 or undefined: a free one. */
  port?: number;
  /** Whether data outlives the process: an append-only file, synced once a second. */
  persist: boolean;
  /** Undefined: a random one, different at every start. */
  password?: string;
  /** Default: `logs/redis.log` under `dataDir`. */
  logFile?: string;
  /** Told how the process ended when nobody asked for that; `restart` brings it back. */
  onDeath?: (how: string) => void;
};

export type Redis = {
  /** `redis://:password@127.0.0.1:port`, the same after a restart. */
  readonly url: string;
  readonly port: number;
  /** Changes with every restart. */
  readonly pid: number;
  /** Orderly: what was written is on disk (where it persists). */
  stop(): Promise<void>;
  /** SIGKILL; resolves once the process is gone. */
  kill(): Promise<void>;
  /** Stops it if it runs and starts it again on the same port. */
  restart(options?: { keepData: boolean }): Promise<void>;
};

const orderly: EndStep[] = [
  { signal: 'SIGTERM', seconds: 10 },
  { signal: 'SIGKILL', seconds: 2 },
];

/** Starts a redis-server and resolves once it answers PING. @throws with its last words when it doesn't */
export async function startRedis(options: RedisOptions): Promise<Redis> {
  const { command } = findRedis();
  const dataDir = resolve(options.dataDir);
  const folder = join(dataDir, 'redis');
  const config = join(folder, 'redis.conf');
  const logFile = options.logFile ?? join(dataDir, 'logs', 'redis.log');
  const password = options.password ?? randomBytes(24).toString('base64url');
  let port = options.port || (await freePort());

  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await endLeftover(join(folder, 'redis.pid'), { trait: formerAddress(config), signal: 'SIGTERM' });

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
      async passes(words) {
        if (portTaken(words) && first && !options.port) port = await freePort();
        return portTaken(words) && (!first || !options.port);
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

/** In a file that only its owner reads, because a command line is everybody's to see. */
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
    // Queues must never lose a key to make room for another.
    'maxmemory-policy noeviction',
    'save ""',
    `appendonly ${persist ? 'yes' : 'no'}`,
    'appendfsync everysec',
  ];
  rmSync(path, { force: true });
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
}

/** The address of an earlier run, which its process shows as its title: no other redis-server is to be taken for it. */
function formerAddress(config: string): string {
  const port = existsSync(config) ? /^port (\d+)$/m.exec(readFileSync(config, 'utf8'))?.[1] : undefined;
  return `127.0.0.1:${port ?? 'none'}`;
}

/** Whether it answers PONG: while it still reads its file back in, it says LOADING. */
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
