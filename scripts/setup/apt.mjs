/** Installing with apt-get, where that is possible without asking anybody. */
import { spawnSync } from 'node:child_process';
import { userInfo } from 'node:os';
import { has, succeeds } from './project.mjs';

/** Without starting it as a service, now or at the next boot: Tally runs one of its own beside whatever runs here. */
const script = `
  set -e
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\\nexit 101\\n' >"$policy"
    chmod 755 "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q -o DPkg::Lock::Timeout=120 update
  apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$1"
  update-rc.d "$1" disable >/dev/null 2>&1 || true`;

const asRoot = () => (userInfo().uid === 0 ? [] : ['sudo', '-n']);

export function aptWorks() {
  if (process.platform !== 'linux' || !has('apt-get')) return false;
  return asRoot().length === 0 || succeeds('sudo', ['-n', 'true']);
}

/** @returns {string} apt-get's last words where it fails, and an empty string where it doesn't */
export function aptInstall(name) {
  const [command, ...args] = [...asRoot(), '/bin/sh', '-c', script, 'sh', name];
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (status === 0) return '';
  const words = `${stdout}\n${stderr}`.split('\n').filter((line) => /^(E|W|Err):?/.test(line));
  return [...new Set(words)].slice(-6).join('\n  ') || `it ended with code ${status}`;
}
