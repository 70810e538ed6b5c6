/** Runs a PostgreSQL of our own: 127.0.0.1 only, password-protected, its data in a folder. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { databaseName, postgresEnvironment, prepareCluster } from './cluster.ts';
import type { EndStep, Guarded } from './guarded.ts';
import { launch, portTaken } from './launch.ts';
import { endLeftover } from './leftover.ts';
import { chooseLocation } from './location.ts';
import { freePort } from './ports.ts';
import { startService } from './service.ts';

export type PostgresOptions = {
  /** Everything lies in `postgres` under it (or where that points to). One instance at a time may use it; the caller sees to that. */
  dataDir: string;
  /** 0 or undefined: a free one. */
  port?: number;
  /** False, for tests: survives its own crash, but not the machine's, and takes less memory. */
  durable: boolean;
  /** Told what takes a while. */
  log?: (line: string) => void;
  /** Default: `logs/postgres.log` under `dataDir`. */
  logFile?: string;
  /** Told how the process ended when nobody asked for that; `restart` brings it back. */
  onDeath?: (how: string) => void;
};

/** fast: running transactions are rolled back, everything is written. immediate: like a crash, recovered at the next start. */
type StopMode = 'fast' | 'immediate';

export type Postgres = {
  /** `postgres://tally:password@127.0.0.1:port/tally` of a superuser, the same after a restart. */
  readonly url: string;
  readonly port: number;
  /** The postmaster's; changes with every restart. */
  readonly pid: number;
  stop(mode?: StopMode): Promise<void>;
  /** SIGKILL to the postmaster; resolves once it is gone. */
  kill(): Promise<void>;
  /** Stops it if it runs and starts it again on the same port, with its data. */
  restart(mode?: StopMode): Promise<void>;
  /** Stops it and deletes its data, wherever they lie: for tests, which leave nothing behind. */
  discard(): Promise<void>;
};

const endSteps: Record<StopMode, EndStep[]> = {
  fast: [
    { signal: 'SIGINT', seconds: 10 },
    { signal: 'SIGQUIT', seconds: 5 },
    { signal: 'SIGKILL', seconds: 2 },
  ],
  immediate: [
    { signal: 'SIGQUIT', seconds: 5 },
    { signal: 'SIGKILL', seconds: 2 },
  ],
};
/** Starts a Postgres, creating its database first if need be, and resolves once it takes connections. @throws with its last words */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const dataDir = resolve(options.dataDir);
  const logFile = options.logFile ?? join(dataDir, 'logs', 'postgres.log');
  const log = options.log ?? (() => {});
  const location = await chooseLocation(dataDir);
  const { data, password } = await prepareCluster(location, { durable: options.durable, logFile, log });
  const pidFile = join(data, 'postmaster.pid');
  await endLeftover(pidFile, { trait: data, signal: 'SIGINT' });
  let port = options.port || (await freePort());

  let first = true;
  const start = (): Promise<Guarded> =>
    launch({
      name: 'Postgres',
      options: () => ({
        command: join(location.programs, 'bin', 'postgres'),
        args: ['-D', data, ...settings(port, options.durable)],
        env: postgresEnvironment,
        user: location.user,
        logFile,
        endSteps: endSteps.fast,
      }),
      isReady: ({ pid }) => isReady(pidFile, pid),
      endSteps: endSteps.immediate,
      async passes(words) {
        if (!portTaken(words)) return stillEnding.test(words);
        if (first && !options.port) port = await freePort();
        return !first || !options.port;
      },
    });
  const service = await startService(start, options.onDeath);
  first = false;

  return {
    url: `postgres://${databaseName}:${password}@127.0.0.1:${port}/${databaseName}`,
    port,
    get pid() {
      return service.pid;
    },
    stop: (mode = 'fast') => service.end(endSteps[mode]),
    kill: () => service.end([{ signal: 'SIGKILL', seconds: 10 }]),
    async restart(mode = 'fast') {
      await service.end(endSteps[mode]);
      await service.start();
    },
    async discard() {
      await service.end(endSteps.immediate);
      rmSync(location.home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** After kill -9 of a postmaster its last backends hold shared memory or the lock file for a moment. */
const stillEnding = /pre-existing shared memory block|lock file "postmaster.pid" already exists/i;

/** For a laptop with two cores, durable unless told otherwise. */
function settings(port: number, durable: boolean): string[] {
  const values: Record<string, string | number> = {
    port,
    listen_addresses: '127.0.0.1',
    // The path of a socket must fit in 107 bytes, and DATA_DIR may be any.
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: durable ? '128MB' : '32MB',
    max_wal_size: '2GB',
    // Short queries: compiling them or splitting them over two cores costs more than it gives.
    jit: 'off',
    max_parallel_workers_per_gather: 0,
    log_checkpoints: 'off',
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** As pg_ctl does it: the postmaster writes its state into the eighth line of its lock file. */
function isReady(pidFile: string, pid: number): boolean {
  const lines = existsSync(pidFile) ? readFileSync(pidFile, 'utf8').split('\n') : [];
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}
