/** Runs the embedded PostgreSQL: on 127.0.0.1 only, password-protected, with its data in a folder. */
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
  /** Parent of the folder `postgres` (or its pointer). The caller must ensure that only one instance uses it. */
  dataDir: string;
  /** 0 or undefined: a free port. */
  port?: number;
  /** False for tests: data survive a crash of Postgres but not of the machine, and it uses less memory. */
  durable: boolean;
  /** Receives a line for each slow step. */
  log?: (line: string) => void;
  /** Default: `logs/postgres.log` under `dataDir`. */
  logFile?: string;
  /** Called with how the process ended when it ended unexpectedly; `restart` starts it again. */
  onDeath?: (how: string) => void;
};

/** fast: rolls back transactions and writes all data. immediate: like a crash, with recovery at the next start. */
type StopMode = 'fast' | 'immediate';

export type Postgres = {
  /** `postgres://tally:password@127.0.0.1:port/tally` with a superuser; unchanged by a restart. */
  readonly url: string;
  readonly port: number;
  /** The postmaster's process id; changes with every restart. */
  readonly pid: number;
  stop(mode?: StopMode): Promise<void>;
  /** Sends SIGKILL to the postmaster; resolves once it has exited. */
  kill(): Promise<void>;
  /** Stops it if it runs, and starts it again on the same port with its data. */
  restart(mode?: StopMode): Promise<void>;
  /** Stops it and deletes its data, wherever they are stored; for tests. */
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

/**
 * Starts Postgres, with a new database if missing; resolves once it accepts connections. @throws Error with its fault
 */
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
      async isTransient(output) {
        if (!portTaken(output)) return stillEnding.test(output);
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

/** After SIGKILL of a postmaster its last backends briefly keep shared memory or the lock file. */
const stillEnding = /pre-existing shared memory block|lock file "postmaster.pid" already exists/i;

/** Settings for a machine with two cores. */
function settings(port: number, durable: boolean): string[] {
  const values: Record<string, string | number> = {
    port,
    listen_addresses: '127.0.0.1',
    // The path of a socket is limited to 107 bytes, and DATA_DIR may be longer.
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: durable ? '128MB' : '32MB',
    max_wal_size: '2GB',
    // Queries are short: JIT compilation or parallel workers on two cores cost more than they save.
    jit: 'off',
    max_parallel_workers_per_gather: 0,
    log_checkpoints: 'off',
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** As in pg_ctl: the postmaster writes its state to the eighth line of its lock file. */
function isReady(pidFile: string, pid: number): boolean {
  const lines = existsSync(pidFile) ? readFileSync(pidFile, 'utf8').split('\n') : [];
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}
