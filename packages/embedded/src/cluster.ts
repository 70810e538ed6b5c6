/** Creates a database cluster with `initdb` and `CREATE DATABASE`, atomically. */
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnGuarded } from './guarded.ts';
import type { DataLocation } from './location.ts';

/** Name of Tally's role and database. */
export const databaseName = 'tally';

/**
 * Character types for text search. Collation and case come from Postgres' builtin provider, but its text search parser
 * still uses the system's locale, and in plain C it takes `«لامپ»` for one word.
 */
const characterTypes = ['C.UTF-8', 'en_US.UTF-8', 'C'];

/** Tally parses the cluster's messages, so they must be in English. */
export const postgresEnvironment = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/**
 * Creates the cluster at `location` unless it exists.
 * @returns its data folder and the password of the role `tally`
 * @throws Error naming the log file where initdb fails
 */
export async function prepareCluster(
  location: DataLocation,
  options: { durable: boolean; logFile: string; log: (line: string) => void },
): Promise<{ data: string; password: string }> {
  const data = join(location.home, 'data');
  const passwordFile = join(location.home, 'password');
  if (!existsSync(data)) {
    options.log('Creating the database…');
    const unfinished = join(location.home, 'data.new');
    rmSync(unfinished, { recursive: true, force: true });
    rmSync(passwordFile, { force: true });
    writeFileSync(passwordFile, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
    if (location.user) chownSync(passwordFile, location.user.uid, location.user.gid);
    await initialize(location, unfinished, passwordFile, options);
    await createDatabase(location, unfinished, options);
    // Only a complete cluster gets the final name.
    renameSync(unfinished, data);
  }
  return { data, password: readFileSync(passwordFile, 'utf8').trim() };
}

type Run = { durable: boolean; logFile: string };

async function initialize(location: DataLocation, folder: string, passwordFile: string, options: Run): Promise<void> {
  let how = '';
  for (const characterType of characterTypes) {
    rmSync(folder, { recursive: true, force: true });
    const args = [
      `--pgdata=${folder}`,
      `--username=${databaseName}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      `--lc-ctype=${characterType}`,
      '--text-search-config=simple',
      ...(options.durable ? [] : ['--no-sync']),
    ];
    how = await runToEnd(location, 'initdb', args, options);
    if (how === 'code 0') return;
  }
  throw new Error(`initdb failed (${how}): see ${options.logFile}`);
}

/** Uses single-user mode, which needs no server, port or connection. */
async function createDatabase(location: DataLocation, folder: string, options: Run): Promise<void> {
  const statement = join(location.home, 'create.sql');
  writeFileSync(statement, `CREATE DATABASE ${databaseName}\n`);
  const settings = ['-c', 'exit_on_error=on', '-c', `fsync=${options.durable ? 'on' : 'off'}`];
  const how = await runToEnd(
    location,
    'postgres',
    ['--single', '-j', '-D', folder, ...settings, 'postgres'],
    options,
    statement,
  );
  rmSync(statement);
  if (how !== 'code 0') throw new Error(`creating the database failed (${how}): see ${options.logFile}`);
}

async function runToEnd(
  location: DataLocation,
  program: string,
  args: string[],
  { logFile }: Run,
  inputFile?: string,
): Promise<string> {
  const guarded = await spawnGuarded({
    command: join(location.programs, 'bin', program),
    args,
    env: postgresEnvironment,
    user: location.user,
    logFile,
    endSteps: [
      { signal: 'SIGTERM', seconds: 5 },
      { signal: 'SIGKILL', seconds: 2 },
    ],
    ...(inputFile === undefined ? {} : { inputFile }),
  });
  return guarded.exited;
}
