/**
 * Chooses Postgres' program folder, data folder and user: by default node_modules, DATA_DIR and the current user.
 *
 * Postgres refuses to run as root, so as root it runs as an unprivileged user. What that user can't read (for example a
 * repository under /root) is placed under /var/lib/tally. A pointer file in DATA_DIR has the same id as the data there:
 * if it is missing or differs, the data belong to a deleted DATA_DIR and are removed.
 */
import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { User } from './guarded.ts';
import { endLeftover } from './leftover.ts';
import { findNative, type Native } from './native.ts';

export type DataLocation = {
  /** Holds `bin`, `lib` and `share`. */
  programs: string;
  /** The folder of the cluster and its password, owned by `user`. */
  home: string;
  user: User;
};

const outside = '/var/lib/tally';
const ownDatabase = 'set DATABASE_URL to a Postgres of your own';

/** Chooses the location for the data of `dataDir` and creates the folders. @throws where there is none */
export async function chooseLocation(dataDir: string): Promise<DataLocation> {
  const native = findNative();
  const inside = join(dataDir, 'postgres');
  const pointer = join(dataDir, 'postgres-elsewhere.json');
  mkdirSync(dataDir, { recursive: true });

  if (process.getuid?.() !== 0) {
    mkdirSync(inside, { recursive: true, mode: 0o700 });
    refuseForeign([inside, pointer]);
    const { runs, fault } = tryPrograms(native.folder, undefined);
    if (!runs) throw new Error(`Postgres does not run on this machine (${fault}): ${ownDatabase}`);
    return { programs: native.folder, home: inside, user: undefined };
  }

  const user = ownerOf(inside) ?? unprivilegedUser();
  const programs = reachablePrograms(native, user);
  const home = existsSync(pointer) ? undefined : useInside(inside, user);
  return { programs, home: home ?? (await useOutside(dataDir, pointer, user)), user };
}

/** Refuses a folder owned by another user (for example after a start as root) with a clearer message than Postgres'. */
function refuseForeign(paths: string[]): void {
  for (const path of paths) {
    const uid = statSync(path, { throwIfNoEntry: false })?.uid;
    if (uid !== undefined && uid !== process.getuid?.())
      throw new Error(`${path} was made by another user (uid ${uid}): start as root or as that user, or set DATA_DIR`);
  }
}

/** The current owner of the data, unless that is root. */
function ownerOf(home: string): User {
  const owner = statSync(home, { throwIfNoEntry: false });
  return owner === undefined || owner.uid === 0 ? undefined : { uid: owner.uid, gid: owner.gid };
}

function unprivilegedUser(): NonNullable<User> {
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }));
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new Error(`Postgres may not run as root, and there is no user postgres or nobody: ${ownDatabase}`);
}

/** The programs in node_modules, or else a copy shared by all data folders of this machine, made once per build. */
function reachablePrograms(native: Native, user: User): string {
  if (tryPrograms(native.folder, user).runs) return native.folder;
  const copy = join(outside, native.build);
  if (!existsSync(copy)) {
    makeOutside();
    const unfinished = `${copy}.${process.pid}`;
    cpSync(native.folder, unfinished, { recursive: true, verbatimSymlinks: true });
    spawnSync('chmod', ['-R', 'a+rX', unfinished]);
    // A concurrent copy by another process is identical.
    if (existsSync(copy)) rmSync(unfinished, { recursive: true });
    else renameSync(unfinished, copy);
  }
  const { runs, fault } = tryPrograms(copy, user);
  if (!runs) throw new Error(`Postgres does not run as an unprivileged user (${fault}): ${ownDatabase}`);
  return copy;
}

/** Runs the programs, because modes, mount options, access lists or missing libraries can all prevent that. */
function tryPrograms(folder: string, user: User): { runs: boolean; fault: string } {
  const script = '"$1/bin/postgres" --version && test -r "$1/share/postgresql/postgres.bki"';
  return tryAs(user, script, folder);
}

/** @returns `inside`, owned by `user`; undefined where that user can't work in it */
function useInside(inside: string, user: NonNullable<User>): string | undefined {
  const known = existsSync(inside);
  mkdirSync(inside, { recursive: true, mode: 0o700 });
  if (statSync(inside).uid === 0) spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, inside]);
  const { runs, fault } = tryAs(user, 'cd "$1" && : > probe && rm probe', inside);
  if (runs) return inside;
  // Starting with an empty database elsewhere would look like data loss.
  if (known) throw new Error(`uid ${user.uid}, who owns ${inside}, cannot reach it any more (${fault})`);
  rmdirSync(inside);
  return undefined;
}

async function useOutside(dataDir: string, pointer: string, user: NonNullable<User>): Promise<string> {
  const name = createHash('sha256').update(realpathSync(dataDir)).digest('hex').slice(0, 16);
  const home = join(outside, name);
  const idFile = join(home, 'id');
  const id = readIfThere(pointer);
  if (id === undefined || readIfThere(idFile) !== id) {
    await endLeftover(join(home, 'data', 'postmaster.pid'), { trait: home, signal: 'SIGQUIT' });
    rmSync(home, { recursive: true, force: true });
    makeOutside();
    mkdirSync(home, { mode: 0o700 });
    const newId = JSON.stringify({ id: randomUUID(), home });
    writeFileSync(idFile, newId, { mode: 0o600 });
    writeFileSync(pointer, newId, { mode: 0o600 });
    chownSync(home, user.uid, user.gid);
  }
  const { runs, fault } = tryAs(user, 'cd "$1" && : > probe && rm probe', home);
  if (!runs)
    throw new Error(`uid ${user.uid} can work neither in ${dataDir} nor in ${home} (${fault}): ${ownDatabase}`);
  return home;
}

function makeOutside(): void {
  mkdirSync(outside, { recursive: true });
  // Independent of the umask.
  chmodSync(outside, 0o755);
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function tryAs(user: User, script: string, argument: string): { runs: boolean; fault: string } {
  const { status, stderr, error } = spawnSync('/bin/sh', ['-c', script, 'sh', argument], {
    encoding: 'utf8',
    cwd: '/',
    ...user,
  });
  return { runs: status === 0, fault: (error?.message ?? stderr ?? '').trim().split('\n').at(-1) ?? '' };
}
