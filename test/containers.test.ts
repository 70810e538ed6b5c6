/** Static checks of the Dockerfile and docker-compose.yml, which need no Docker, and of the generated documents. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { listSettings, loadWorkerConfig, readSettings } from '@tally/core';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { renderDocuments } from '../scripts/documents.ts';

type Service = {
  environment?: Record<string, string>;
  command?: string[];
  healthcheck?: { test?: string[]; disable?: boolean };
  volumes?: string[];
  build?: { target: string };
  deploy?: { replicas: number };
};

const root = new URL('..', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const compose = parse(read('docker-compose.yml'), { merge: true }) as { services: Record<string, Service> };
const { postgres, redis, api, worker, migrate } = compose.services;

describe('docker-compose.yml', () => {
  it('has volumes and health checks for Postgres and Redis', () => {
    for (const service of [postgres, redis]) {
      expect(service?.volumes?.[0]).toMatch(/^(postgres|redis):/);
      expect(service?.healthcheck?.test).toBeDefined();
    }
    expect(redis?.command?.join(' ')).toContain('--requirepass');
    expect(redis?.command?.join(' ')).toContain('--appendonly yes');
    expect(redis?.command?.join(' ')).toContain('--maxmemory-policy noeviction');
    expect(worker?.deploy?.replicas).toBe(2);
  });

  it('requires every secret, with a message how to create it', () => {
    const required = [...read('docker-compose.yml').matchAll(/\$\{(\w+):\?([^}]*)\}/g)];
    const names = new Set(required.map(([, name]) => name));
    expect(names).toEqual(
      new Set([
        'POSTGRES_PASSWORD',
        'TALLY_OWNER_PASSWORD',
        'TALLY_DB_PASSWORD',
        'REDIS_PASSWORD',
        'JWT_SECRET',
        'ENCRYPTION_KEY',
        'OPENAI_API_KEY',
        'PROXY_HOPS',
      ]),
    );
    for (const [, name, message] of required) expect(message, name).toMatch(/^set \w+ in \.env/);
  });

  const filled = (service: Service | undefined) =>
    Object.fromEntries(Object.entries(service?.environment ?? {}).map(([name, value]) => [name, fill(String(value))]));

  it('sets an environment that the processes accept', () => {
    for (const service of [api, migrate]) expect(readSettings(filled(service)).production).toBe(true);
    expect(loadWorkerConfig(filled(worker))).toMatchObject({ production: true });
  });

  it('gives each process only the secrets and rights it needs', () => {
    expect(filled(worker).JWT_SECRET).toBe('');
    expect(filled(api).DATABASE_URL).toContain('//tally_app:');
    expect(filled(migrate).DATABASE_URL).toContain('//tally_owner:');
    for (const service of [api, worker, migrate])
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], mem_limit: expect.any(String) });
  });
});

describe('the Dockerfile', () => {
  const dockerfile = read('Dockerfile');

  it('copies every workspace’s manifest before the install', () => {
    const manifests = globSync('{apps,packages}/*/package.json', { cwd: root });
    for (const manifest of manifests) expect(dockerfile).toContain(`COPY ${manifest} `);
  });

  it('starts existing files as a user other than root', () => {
    const commands = [...dockerfile.matchAll(/^CMD \["node", "([^"]+)"\]/gm)].map(([, path]) => path ?? '');
    expect(commands).toHaveLength(2);
    for (const path of [...commands, migrate?.command?.[1] ?? ''])
      expect(existsSync(new URL(path, root)), path).toBe(true);
    const stages = dockerfile.split(/^FROM /m).filter((stage) => stage.includes('CMD ['));
    for (const stage of stages) expect(stage).toContain('USER node');
  });

  it('has the stages that docker-compose.yml names', () => {
    for (const service of [api, worker, migrate]) expect(dockerfile).toContain(`AS ${service?.build?.target}`);
  });
});

describe('the documents', () => {
  it.each(renderDocuments())('list every setting as declared: $file (npm run docs)', ({ now, wanted }) => {
    expect(now).toBe(wanted);
  });

  it('name only variables that are read', () => {
    const known = `${listSettings().map(({ variable }) => variable)} ${read('docker-compose.yml')}`;
    const named = [...read('.env.example').matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(([, name]) => name ?? '');
    expect(named.length).toBeGreaterThan(10);
    for (const name of named) expect(known, name).toContain(name);
  });
});

/** Expands `${NAME:?message}` and `${NAME:-default}` as compose does, with secrets of a valid form. */
function fill(value: string): string {
  return value
    .replace(/\$\{PROXY_HOPS:\?[^}]*\}/g, '1')
    .replace(/\$\{\w+:\?[^}]*\}/g, 'ab'.repeat(32))
    .replace(/\$\{\w+:-([^}]*)\}/g, '$1');
}
