/** `npm start` with the real programs, and further workers and APIs that join it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@tally/embedded';
import { until } from '@tally/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
type Run = { child: ChildProcess; output: () => string; exited: Promise<number | null> };
const runs: Run[] = [];

let folder: string;
let port: number;
let url: string;
let start: Run;

/** Runs a program as its npm script does, with only DATA_DIR set. */
function run(path: string, env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [path], {
    cwd: root,
    argv0: 'node',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, DATA_DIR: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout?.on('data', (chunk) => (output += String(chunk)));
  child.stderr?.on('data', (chunk) => (output += String(chunk)));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const started = { child, output: () => output, exited };
  runs.push(started);
  return started;
}

async function begin(): Promise<Run> {
  const begun = run('apps/launcher/src/main.ts', { PORT: String(port) });
  await until(async () => begun.output().includes('Tally is ready'), 60_000);
  return begun;
}

async function request<T>(
  base: string,
  path: string,
  token?: string,
  body?: unknown,
): Promise<{ status: number; body: T }> {
  const response = await fetch(`${base}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as T };
}

const login = async (email: string): Promise<string> =>
  (await request<{ access_token: string }>(url, '/api/accounts/login', undefined, { email, password: 'tally-demo' }))
    .body.access_token;

type Overview = { current_subscription: { tokens_remaining: number } };
const remaining = async (token: string) =>
  (await request<Overview>(url, '/api/accounts/overview', token)).body.current_subscription.tokens_remaining;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tally-start-'));
  await chmod(folder, 0o755);
  port = await freePort();
  url = `http://127.0.0.1:${port}`;
  start = await begin();
}, 90_000);

afterAll(async () => {
  for (const { child } of runs) child.kill('SIGTERM');
  await Promise.all(runs.map(({ exited }) => exited));
  await rm(folder, { recursive: true, force: true });
});

describe('npm start', () => {
  it('answers each demo account’s refusal with exactly its fields', async () => {
    expect(start.output()).toContain('The sandbox model answers');
    const refusals = {
      empty: 'no_tokens_remaining',
      expired: 'subscription_expired',
      inactive: 'subscription_inactive',
      none: 'no_subscription',
    };
    for (const [name, code] of Object.entries(refusals)) {
      const token = await login(`${name}@example.com`);
      const { status, body } = await request<object>(url, '/api/ai/ask-question/', token, { question: 'Why?' });
      expect(status).toBe(402);
      expect(body).toMatchObject({ success: false, error_code: code });
      expect(Object.keys(body).sort()).toEqual(
        [
          'success',
          'error',
          'error_code',
          'request_id',
          'tokens_remaining',
          'original_tokens',
          'consumed_tokens',
        ].sort(),
      );
    }
  });

  it('runs each job once with two more workers and APIs', async () => {
    const workers = [run('apps/worker/src/main.ts'), run('apps/worker/src/main.ts')];
    const apis = [run('apps/api/src/main.ts'), run('apps/api/src/main.ts')];
    const urls = await Promise.all(
      apis.map(({ output }) => until(async () => /"url":"([^"]+)","msg":"api ready"/.exec(output())?.[1])),
    );
    await Promise.all(workers.map(({ output }) => until(async () => output().includes('worker ready'))));

    const operator = await login('operator@example.com');
    const tokens: string[] = [];
    for (const name of ['one', 'two']) {
      const email = `${name}@example.com`;
      const { body } = await request<{ access_token: string }>(url, '/api/accounts/register', undefined, {
        email,
        password: 'tally-demo',
      });
      await request(url, '/api/admin/subscriptions', operator, { email, plan: 'scale', allow_unconfirmed: true });
      tokens.push(body.access_token);
    }
    const apiUrls = [url, ...urls];
    const jobs = Array.from({ length: 1_000 }, (_, i) => i);
    const submitOne = async (): Promise<void> => {
      for (let i = jobs.pop(); i !== undefined; i = jobs.pop()) {
        const question = { question: `Question ${i} about lamps?` };
        const { status } = await request(apiUrls[i % 3] ?? url, '/api/ai/ask-question', tokens[i % 2], question);
        expect(status).toBe(202);
      }
    };
    await Promise.all(Array.from({ length: 30 }, submitOne));
    const open = async () => {
      const pages = tokens.flatMap((token) =>
        ['queued', 'running'].map((status) =>
          request<{ jobs: unknown[] }>(url, `/api/jobs?status=${status}&limit=1`, token),
        ),
      );
      return (await Promise.all(pages)).some(({ body }) => body.jobs.length > 0);
    };
    await until(async () => !(await open()), 60_000);

    for (const { child } of [...workers, ...apis]) child.kill('SIGTERM');
    await Promise.all([...workers, ...apis].map(({ exited }) => exited));
    const logs = [...workers.map(({ output }) => output()), await readFile(join(folder, 'logs', 'worker.log'), 'utf8')];
    const done = logs.map((log) =>
      [...log.matchAll(/"job_id":"([^"]+)"[^\n]*"msg":"job completed"/g)].map(([, id]) => id),
    );
    for (const ofWorker of done) expect(ofWorker.length).toBeGreaterThan(0);
    expect(done.flat()).toHaveLength(1_000);
    expect(new Set(done.flat()).size).toBe(1_000);
  }, 120_000);

  it('keeps its data over a restart and stops all its processes', async () => {
    const token = await login('demo@example.com');
    await request(url, '/api/ai/ask-question', token, { question: 'How long do I have to return a lamp?' });
    const left = await until(async () => {
      const tokens = await remaining(token);
      return tokens < 10_000 && tokens;
    });
    start.child.kill('SIGTERM');
    expect(await start.exited).toBe(0);
    await expect(fetch(`${url}/health`)).rejects.toThrow();
    start = await begin();
    expect(await remaining(await login('demo@example.com'))).toBe(left);
  });
});
