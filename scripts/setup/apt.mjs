/** Installs packages with apt-get, where that is possible without a prompt. */
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { has, runStep, succeeds } from './project.mjs';

/**
 * Starts no service, now or at the next boot, because Tally runs its own. Changes no installed package: the simulation
 * shows an upgrade as `Inst name [old] (new …)` and a removal as `Remv name`.
 */
const script = `
  set -e
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\\nexit 101\\n' >"$policy"
    chmod 755 "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt="apt-get -q -o DPkg::Lock::Timeout=120"
  $apt update
  changed=$($apt -s install --no-upgrade --no-install-recommends "$@" | sed -n 's/^Inst \\([^ ]*\\) \\[.*/\\1/p; s/^Remv \\([^ ]*\\) .*/\\1/p' | tr '\\n' ' ')
  if [ -n "$changed" ]; then
    echo "E: it would upgrade or remove packages of this machine, which is for you to decide: $changed"
    exit 3
  fi
  $apt install -y --no-upgrade --no-install-recommends "$@"
  case " $* " in *" redis-server "*) update-rc.d redis-server disable || true ;; esac`;

const asRoot = () => (userInfo().uid === 0 ? [] : ['sudo', '-n']);

export function aptWorks() {
  if (process.platform !== 'linux' || !has('apt-get')) return false;
  return asRoot().length === 0 || succeeds('sudo', ['-n', 'true']);
}

/** Whether the packages come from Debian or a derivative other than Ubuntu, whose chromium package installs a snap. */
export function hasDebianPackages() {
  if (!existsSync('/etc/os-release')) return false;
  const release = readFileSync('/etc/os-release', 'utf8');
  return /^ID(_LIKE)?=.*\bdebian\b/m.test(release) && !/^ID(_LIKE)?=.*\bubuntu\b/m.test(release);
}

/** @returns {Promise<string>} apt-get's last output lines if it fails, else an empty string */
export async function aptInstall(what, names) {
  const [command, ...args] = [...asRoot(), '/bin/sh', '-c', script, 'sh', ...names];
  const { status, lastLines } = await runStep(what, command, args, { env: { ...process.env, LC_ALL: 'C' } });
  return status === 0 ? '' : lastLines;
}
