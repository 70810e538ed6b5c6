/** Finds the redis-server program of this machine. */
import { spawnSync } from 'node:child_process';

const minimumMajor = 7;

/** First by PATH, then where package managers install it outside of PATH. Valkey is a drop-in replacement. */
const candidates = [
  'redis-server',
  '/opt/homebrew/bin/redis-server',
  '/usr/local/bin/redis-server',
  '/usr/bin/redis-server',
  '/home/linuxbrew/.linuxbrew/bin/redis-server',
  'valkey-server',
  '/opt/homebrew/bin/valkey-server',
];

/**
 * The command that starts a redis-server, and its version as `7.2.4`.
 * @throws Error where there is none, or only one older than version 7
 */
export function findRedis(): { command: string; version: string } {
  let tooOld: string | undefined;
  for (const command of candidates) {
    const { stdout, status } = spawnSync(command, ['--version'], { encoding: 'utf8' });
    const version = status === 0 ? /v=(\d+\.\d+\.\d+)/.exec(stdout)?.[1] : undefined;
    if (version === undefined) continue;
    if (Number.parseInt(version, 10) >= minimumMajor) return { command, version };
    tooOld ??= `${command} is version ${version}`;
  }
  throw new Error(
    tooOld === undefined
      ? 'redis-server was not found'
      : `${tooOld}, and Tally needs redis-server ${minimumMajor} or newer`,
  );
}
