/** Crashes of workers, Redis and Postgres, with real processes and real signals. */
import { type Installation, type Process, startInstallation, until } from '@tally/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectConsistent, newTenant, type Tenant } from './tenant.ts';

let system: Installation;
let api: Process;
let workers: Process[] = [];

beforeAll(async () => {
  system = await startInstallation();
  api = await system.startApi();
}, 120_000);
afterAll(() => system?.stop());
beforeEach(async () => {
  await setModel({ delay_ms: 0 });
  await fetch(`${system.sandbox.url}/sandbox/faults`, { method: 'DELETE' });
});

/** Kills all workers and starts `count` new ones. */
async function restartWorkers(count: number): Promise<Process[]> {
  await Promise.all(workers.map((worker) => worker.kill()));
  workers = await Promise.all(Array.from({ length: count }, () => system.startWorker()));
  return workers;
}

async function setModel(settings: { delay_ms: number }): Promise<void> {
  await fetch(`${system.sandbox.url}/sandbox/settings`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(settings),
  });
}

const tenantWith = (tokens: number): Promise<Tenant> => newTenant(system, api.url, tokens);

const held = (tenant: Tenant) =>
  until(async () => {
    const { rows } = await system.billing.db.pool.query('select id from token_holds where account_id = $1', [
      tenant.accountId,
    ]);
    return rows.length > 0;
  });
const calling = (tenant: Tenant, requests = 1) => until(async () => (await tenant.book()).requests >= requests);
const answered = (tenant: Tenant) => until(async () => (await tenant.book()).answered >= 1);

describe('P1: a job whose worker is killed', () => {
  it('before the call is completed by another worker', async () => {
    const [first] = await restartWorkers(1);
    const tenant = await tenantWith(10_000);
    // While Redis is frozen, the worker has its hold row in Postgres but can't reserve in Redis.
    const client = await system.billing.db.pool.connect();
    await client.query('begin');
    await client.query('lock table token_holds in exclusive mode');
    await tenant.ask();
    await until(async () => (await tenant.jobs())[0]?.status === 'running');
    process.kill(system.redis.pid, 'SIGSTOP');
    await client.query('rollback');
    client.release();
    await held(tenant);
    await first?.kill();
    process.kill(system.redis.pid, 'SIGCONT');
    await restartWorkers(1);
    const rows = await expectConsistent(system, tenant);
    expect(rows).toMatchObject([{ status: 'completed' }]);
    expect((await tenant.book()).requests).toBe(1);
  });

  it('during the call is charged once', async () => {
    const [first] = await restartWorkers(2);
    await setModel({ delay_ms: 1_500 });
    const tenant = await tenantWith(10_000);
    await Promise.all(Array.from({ length: 6 }, () => tenant.ask()));
    await calling(tenant, 6);
    await first?.kill();
    const rows = await expectConsistent(system, tenant);
    expect(rows.every(({ status }) => status === 'completed')).toBe(true);
    expect((await tenant.book()).requests).toBeGreaterThan(6);
  });

  it('after the answer, before the commit, is charged once', async () => {
    const [first] = await restartWorkers(1);
    await setModel({ delay_ms: 400 });
    const tenant = await tenantWith(10_000);
    const job = await tenant.ask();
    await calling(tenant);
    const client = await system.billing.db.pool.connect();
    await client.query('begin');
    await client.query('select from jobs where id = $1 for update', [job]);
    await answered(tenant);
    await first?.kill();
    // Postgres would otherwise finish the statement of the dead client.
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tally-worker'`,
    );
    await client.query('rollback');
    client.release();
    await restartWorkers(1);
    const rows = await expectConsistent(system, tenant);
    expect(rows).toMatchObject([{ status: 'completed' }]);
    expect((await tenant.book()).answered).toBe(2);
  });

  it('after the commit is neither lost nor repeated', async () => {
    const [first] = await restartWorkers(1);
    await setModel({ delay_ms: 600 });
    const tenant = await tenantWith(10_000);
    await tenant.ask();
    await calling(tenant);
    // While Redis is frozen, the worker can't complete the job in BullMQ.
    process.kill(system.redis.pid, 'SIGSTOP');
    await tenant.allEnded();
    await first?.kill();
    process.kill(system.redis.pid, 'SIGCONT');
    await restartWorkers(1);
    const rows = await expectConsistent(system, tenant);
    expect(rows).toMatchObject([{ status: 'completed', attempts: 1 }]);
    expect((await tenant.book()).requests).toBe(1);
  });

  it('five times ends as poisoned', async () => {
    const tenant = await tenantWith(10_000);
    await setModel({ delay_ms: 60_000 });
    const job = await tenant.ask();
    for (let kills = 0; kills < 5; kills++) {
      const [worker] = await restartWorkers(1);
      await until(async () => {
        const [row] = await tenant.jobs();
        return row?.status === 'running' && row.fence === kills + 1;
      }, 30_000);
      await worker?.kill();
    }
    await restartWorkers(1);
    const [row] = await expectConsistent(system, tenant);
    expect(row).toMatchObject({ id: job, status: 'failed', error_code: 'poisoned' });
  }, 180_000);
});

describe('P1: a worker paused past its lease', () => {
  it('writes nothing after another worker has taken over', async () => {
    const [paused] = await restartWorkers(1);
    await setModel({ delay_ms: 1_000 });
    const tenant = await tenantWith(10_000);
    await tenant.ask();
    await calling(tenant);
    paused?.signal('SIGSTOP');
    const other = await system.startWorker();
    workers.push(other);
    await until(async () => (await tenant.jobs())[0]?.status === 'completed', 40_000);
    paused?.signal('SIGCONT');
    const rows = await expectConsistent(system, tenant);
    expect(rows).toMatchObject([{ status: 'completed', fence: 2 }]);
    expect(await tenant.consumed()).toBeGreaterThan(0);
  });
});

describe('P1: Redis', () => {
  it('is refilled from Postgres after FLUSHALL while jobs run', async () => {
    await restartWorkers(2);
    await setModel({ delay_ms: 500 });
    const tenant = await tenantWith(200_000);
    await Promise.all(Array.from({ length: 150 }, () => tenant.ask()));
    await calling(tenant, 20);
    await system.billing.redis.call('FLUSHALL');
    const rows = await expectConsistent(system, tenant);
    expect(rows.filter(({ status }) => status === 'completed')).toHaveLength(150);
  });

  it('is refilled from Postgres after a restart without data', async () => {
    await restartWorkers(2);
    await setModel({ delay_ms: 500 });
    const tenant = await tenantWith(200_000);
    await Promise.all(Array.from({ length: 80 }, () => tenant.ask()));
    await calling(tenant, 10);
    await system.redis.kill();
    await system.redis.restart({ keepData: false });
    const rows = await expectConsistent(system, tenant);
    expect(rows.filter(({ status }) => status === 'completed')).toHaveLength(80);
  });

  it('loses no job that is submitted while it is down', async () => {
    await restartWorkers(1);
    const tenant = await tenantWith(10_000);
    await system.redis.kill();
    const job = await tenant.ask();
    await system.redis.restart({ keepData: true });
    const rows = await expectConsistent(system, tenant);
    expect(rows).toMatchObject([{ id: job, status: 'completed' }]);
  });
});

describe('P1: Postgres', () => {
  it('loses no job and no charge in an immediate restart', async () => {
    await restartWorkers(2);
    await setModel({ delay_ms: 500 });
    const tenant = await tenantWith(200_000);
    await Promise.all(Array.from({ length: 80 }, () => tenant.ask()));
    await calling(tenant, 10);
    await system.postgres.restart('immediate');
    const rows = await expectConsistent(system, tenant);
    expect(rows.filter(({ status }) => status === 'completed')).toHaveLength(80);
  });
});
