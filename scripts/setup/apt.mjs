/** Installing with apt-get, where that is possible without asking anybody. */
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { has, runStep, succeeds } from './project.mjs';

/**
 * Without starting a service, now or at the next boot: Tally runs one of its own beside whatever runs here. And without
 * touching what is installed: the simulation shows an upgrade as `Inst name [old] (new …)`, a removal as `Remv name`.
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

/** Debian's own packages, and those of its children; Ubuntu's chromium installs a snap. */
export function hasDebianPackages() {
  if (!existsSync('/etc/os-release')) return false;
  const release = readFileSync('/etc/os-release', 'utf8');
  return /^ID(_LIKE)?=.*\bdebian\b/m.test(release) && !/^ID(_LIKE)?=.*\bubuntu\b/m.test(release);
}

/** @returns {Promise<string>} apt-get's last words where it fails, and an empty string where it doesn't */
export async function aptInstall(what, names) {
  const [command, ...args] = [...asRoot(), '/bin/sh', '-c', script, 'sh', ...names];
  const { status, words } = await runStep(what, command, args, { env: { ...process.env, LC_ALL: 'C' } });
  return status === 0 ? '' : words;
}
