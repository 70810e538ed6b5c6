/** Deploys under load: processes receive SIGTERM while they work. */
import { type Installation, type Process, startInstallation, until } from '@tally/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectConsistent, newTenant } from './tenant.ts';

let system: Installation;
let api: Process;

beforeAll(async () => {
  system = await startInstallation();
  api = await system.startApi();
}, 120_000);
afterAll(() => system?.stop());
beforeEach(() => setFaults([]));

async function setFaults(rules: object[]): Promise<void> {
  await fetch(`${system.sandbox.url}/sandbox/faults`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ rules }),
  });
}

/** The limits that docs/reliability.md states. */
const workerStopMs = 25_000;
const apiStopMs = 15_000;

async function stop(process: Process): Promise<{ code: number | null; tookMs: number }> {
  const beganAt = performance.now();
  process.signal('SIGTERM');
  return { code: await process.exited, tookMs: performance.now() - beganAt };
}

describe('a worker after SIGTERM', () => {
  it('finishes its calls and repeats none in its successor', async () => {
    await setFaults([{ kind: 'slow', delay_ms: 400 }]);
    const tenant = await newTenant(system, api.url, 200_000);
    const worker = await system.startWorker();
    await Promise.all(Array.from({ length: 150 }, () => tenant.ask()));
    await until(async () => (await tenant.book()).requests >= 30);
    const [stopped, successor] = await Promise.all([stop(worker), system.startWorker()]);
    expect(stopped.code).toBe(0);
    expect(stopped.tookMs).toBeLessThan(workerStopMs);
    const rows = await expectConsistent(system, tenant);
    expect(rows.every(({ status, attempts }) => status === 'completed' && attempts === 1)).toBe(true);
    expect((await tenant.book()).requests).toBe(150);
    await successor.kill();
  });

  it('gives back a hanging attempt in time, uncounted', async () => {
    await setFaults([{ kind: 'hang', times: 1 }]);
    const worker = await system.startWorker({ MODEL_TIMEOUT_MS: '60000' });
    const tenant = await newTenant(system, api.url, 10_000);
    const jobId = await tenant.ask();
    await until(async () => (await tenant.book()).requests === 1);
    const { code, tookMs } = await stop(worker);
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(workerStopMs);
    expect(await tenant.jobs()).toMatchObject([{ id: jobId, status: 'queued', attempts: 0 }]);
    const successor = await system.startWorker();
    expect(await expectConsistent(system, tenant)).toMatchObject([{ status: 'completed', attempts: 1 }]);
    await successor.kill();
  });
});

describe('an API after SIGTERM', () => {
  it('P1: answers accepted requests in time, and each 202 ends', async () => {
    const tenant = await newTenant(system, api.url, 500_000);
    const second = await system.startApi();
    const accepted: string[] = [];
    let isOver = false;
    const client = async () => {
      while (!isOver)
        try {
          const response = await fetch(`${second.url}/api/ai/ask-question`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', authorization: `Bearer ${tenant.token}` },
            body: JSON.stringify({ question: 'How many days do I have?' }),
          });
          const body = (await response.json()) as { job_id: string };
          expect(response.status).toBe(202);
          accepted.push(body.job_id);
        } catch (error) {
          // The API no longer listens; an answer cut off in the middle would be a failure.
          expect((error as { cause?: { code?: string } }).cause?.code).toMatch(
            /ECONNREFUSED|ECONNRESET|UND_ERR_SOCKET/,
          );
          isOver = true;
        }
    };
    const clients = Array.from({ length: 8 }, client);
    await until(async () => accepted.length > 100);
    const { code, tookMs } = await stop(second);
    await Promise.all(clients);
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(apiStopMs);
    const worker = await system.startWorker();
    const rows = await expectConsistent(system, tenant);
    const ended = new Set(rows.map(({ id }) => id));
    expect(accepted.filter((id) => !ended.has(id))).toEqual([]);
    await worker.kill();
  });
});
