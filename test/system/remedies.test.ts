/** Operator commands on a running installation, each with --dry-run first. */
import { type Installation, type Process, readMetrics, startInstallation, until } from '@tally/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectConsistent, newTenant, type Tenant } from './tenant.ts';

let system: Installation;
let api: Process;
let worker: Process;
let tenant: Tenant;

beforeAll(async () => {
  system = await startInstallation();
  api = await system.startApi();
  worker = await system.startWorker();
}, 120_000);
afterAll(() => system?.stop());

const query = async <Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> =>
  (await system.billing.db.pool.query<Row>(sql, values)).rows;

async function setFaults(rules: object[]): Promise<void> {
  await fetch(`${system.sandbox.url}/sandbox/faults`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ rules }),
  });
}

const statusOf = async (jobId: string) => (await tenant.jobs()).find(({ id }) => id === jobId)?.status;

describe('requeue', () => {
  it('lists the selected failed jobs, then requeues only those', async () => {
    tenant = await newTenant(system, api.url, 100_000);
    await setFaults([{ kind: 'content_refused', match: { user: tenant.accountId }, times: 3 }]);
    const failed = [await tenant.ask(), await tenant.ask(), await tenant.ask()];
    await tenant.allEnded();
    const [poisoned = ''] = failed;
    await query(`update jobs set error_code = 'poisoned' where id = $1`, [poisoned]);

    const shown = await system.ops('requeue', '--code', 'poisoned', '--dry-run');
    expect(shown).toMatchObject({ code: 0, output: expect.stringContaining('1 jobs would be put back') });
    expect(shown.output).toContain(poisoned);
    expect(await statusOf(poisoned)).toBe('failed');

    expect((await system.ops('requeue', '--code', 'poisoned')).output).toContain('1 of 1 jobs put back');
    await until(async () => (await statusOf(poisoned)) === 'completed');
    expect((await tenant.jobs()).filter(({ status }) => status === 'failed')).toHaveLength(2);

    expect((await system.ops('requeue', ...failed)).output).toContain('2 of 2 jobs put back');
    const rows = await expectConsistent(system, tenant);
    expect(rows.every(({ status }) => status === 'completed')).toBe(true);
  });

  it('refuses a call without a selection or with unknown ids', async () => {
    expect(await system.ops('requeue')).toMatchObject({ code: 1, output: expect.stringContaining('Say which') });
    expect(await system.ops('requeue', 'no-id')).toMatchObject({ code: 1, output: expect.stringContaining('no-id') });
    expect((await system.ops('requeue', '--account', 'nobody@example.com')).output).toContain('There is no account');
  });
});

describe('cancel', () => {
  it('ends a running job of any account', async () => {
    await setFaults([{ kind: 'hang', match: { user: tenant.accountId } }]);
    const jobId = await tenant.ask();
    await until(async () => (await statusOf(jobId)) === 'running');
    expect((await system.ops('cancel', jobId, '--dry-run')).output).toContain(', would be cancelled');
    expect(await system.ops('cancel', jobId)).toMatchObject({ code: 0 });
    await until(async () => (await statusOf(jobId)) === 'cancelled', 3_000);
    expect(await system.ops('cancel', tenant.accountId)).toMatchObject({ code: 1 });
  });
});

describe('release-holds', () => {
  it('releases the hold of a dead attempt, not of a running call', async () => {
    await setFaults([{ kind: 'slow', delay_ms: 2_000, match: { user: tenant.accountId }, times: 1 }]);
    const running = await tenant.ask();
    const [live] = await until(async () => {
      const holds = await query<{ id: string }>('select id from token_holds where job_id = $1', [running]);
      return holds.length > 0 && holds;
    });
    // The paused worker keeps its hold while the commands run.
    worker.signal('SIGSTOP');
    await query(`update token_holds set expires_at = now() + interval '1 minute'`);
    // The hold of an overtaken claim, with most of its lease left.
    const dead = '00000000-0000-7000-8000-000000000001';
    await query(
      `insert into token_holds select $1, account_id, subscription_id, job_id, step, fence - 1, tokens, expires_at
       from token_holds where id = $2`,
      [dead, live?.id],
    );
    expect((await system.ops('release-holds', '--dry-run')).output).toContain('1 holds');
    const done = await system.ops('release-holds');
    expect(done.output).toContain(dead);
    expect(await query('select id from token_holds where job_id = $1', [running])).toEqual([live]);
    worker.signal('SIGCONT');
    await expectNoHoldsAndVerify();
  });
});

describe('rebuild-redis', () => {
  it('loses no job and no balance while jobs run', async () => {
    const asked = Promise.all(Array.from({ length: 60 }, () => tenant.ask()));
    expect((await system.ops('rebuild-redis', '--dry-run')).output).toContain('would be');
    expect(await system.ops('rebuild-redis')).toMatchObject({ code: 0 });
    await asked;
    await expectNoHoldsAndVerify();
  });
});

describe('an alarm', () => {
  it('shows a wrong balance in metrics and `alarms`, until fixed', async () => {
    const tamper = (by: number) =>
      query(`begin; alter table subscription_balances disable trigger user;
        update subscription_balances set tokens_consumed = tokens_consumed + ${by}, version = version + 1;
        alter table subscription_balances enable trigger user; commit`);
    expect(await system.ops('alarms')).toMatchObject({ code: 0, output: expect.stringContaining('No alarms') });
    await tamper(7);
    const metric = async () => /^tally_alarms (\d+)/m.exec(await readMetrics(api.url))?.[1];
    await until(async () => (await metric()) === '1');
    const shown = await system.ops('alarms');
    expect(shown).toMatchObject({ code: 1, output: expect.stringContaining(tenant.subscriptionId) });
    await tamper(-7);
    await until(async () => (await metric()) === '0');
    expect((await system.ops('verify')).code).toBe(0);
  });
});

/** `expectConsistent` for a tenant with a job that was cancelled, and billed, during its model call. */
async function expectNoHoldsAndVerify(): Promise<void> {
  await tenant.allEnded();
  await until(
    async () => (await query('select from token_holds where account_id = $1', [tenant.accountId])).length === 0,
  );
  await until(async () => (await system.ops('verify')).code === 0);
}
