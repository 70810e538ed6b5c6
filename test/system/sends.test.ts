/** A message to Instagram is sent at most once, wherever its worker is killed; with real processes and signals. */
import { type Installation, type Process, startInstallation, until } from '@tally/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectConsistent, newTenant, type Tenant } from './tenant.ts';

let system: Installation;
let api: Process;
let worker: Process;
let count = 0;

type Send = { delivered: boolean; outcome: string; text: string };

beforeAll(async () => {
  system = await startInstallation();
  api = await system.startApi();
  await control('PUT', 'instagram/settings', { webhook_url: `${api.url}/webhooks/instagram` });
}, 120_000);
afterAll(() => system?.stop());
beforeEach(async () => {
  await control('DELETE', 'instagram/faults');
  await control('PUT', 'instagram/settings', { echo: true });
  await control('PUT', 'settings', { delay_ms: 0 });
  worker = await system.startWorker();
  return () => worker.kill();
});

async function control<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${system.sandbox.url}/sandbox/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  return (await response.json()) as T;
}

/** Fires one comment on a new tenant's connected account, which answers every comment. */
async function comment(): Promise<{ tenant: Tenant; sends: () => Promise<Send[]>; pause: () => Promise<unknown> }> {
  const tenant = await newTenant(system, api.url, 10_000);
  const igUserId = `178414000000009${++count}`;
  const post = (path: string, body: object) =>
    fetch(`${api.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${tenant.token}` },
      body: JSON.stringify(body),
    });
  await post('/api/instagram/accounts', { ig_user_id: igUserId, username: 'lamps', access_token: 'token' });
  await post('/api/workflows', { ig_user_id: igUserId, name: 'every comment' });
  const fired = await control('POST', 'instagram/fire', { kind: 'comment', ig_user_id: igUserId });
  expect(fired).toMatchObject({ status: 200 });
  const sends = async () => (await control<{ sends: Send[] }>('GET', `instagram/sends?ig_user_id=${igUserId}`)).sends;
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${tenant.token}` };
  const pause = async () => {
    const listed = await fetch(`${api.url}/api/instagram/accounts`, { headers });
    const { accounts } = (await listed.json()) as { accounts: { id: string }[] };
    const url = `${api.url}/api/instagram/accounts/${accounts[0]?.id}`;
    await fetch(url, { method: 'PATCH', headers, body: JSON.stringify({ paused: true }) });
  };
  return { tenant, sends, pause };
}

async function replaceWorker(): Promise<void> {
  await worker.kill();
  worker = await system.startWorker();
}

describe('a job whose worker is killed', () => {
  it('before the request still sends its message once', async () => {
    await control('PUT', 'settings', { delay_ms: 1_500 });
    const { tenant, sends } = await comment();
    await until(async () => (await tenant.book()).requests === 1);
    await replaceWorker();
    expect(await tenant.allEnded()).toMatchObject([{ status: 'completed' }]);
    expect(await sends()).toMatchObject([{ delivered: true }]);
  });

  it('after an unanswered send is confirmed by the echo', async () => {
    await control('PUT', 'instagram/faults', { rules: [{ kind: 'hang_after_delivery', times: 1 }] });
    const { tenant, sends } = await comment();
    await until(async () => (await sends()).length === 1);
    await replaceWorker();
    expect(await tenant.allEnded()).toMatchObject([{ status: 'completed' }]);
    expect(await sends()).toMatchObject([{ delivered: true }]);
  });

  it('during a send without proof ends as send_uncertain', async () => {
    await control('PUT', 'instagram/faults', { rules: [{ kind: 'hang_before_delivery' }] });
    const { tenant, sends } = await comment();
    await until(async () => (await sends()).length === 1);
    await replaceWorker();
    expect(await tenant.allEnded()).toMatchObject([{ status: 'failed', error_code: 'send_uncertain' }]);
    expect(await sends()).toHaveLength(1);
  });

  it('before recording the answer asks Instagram for proof', async () => {
    await control('PUT', 'instagram/settings', { echo: false });
    await control('PUT', 'instagram/faults', { rules: [{ kind: 'slow', delay_ms: 1_000, times: 1 }] });
    const { tenant, sends } = await comment();
    await until(async () => (await sends())[0]?.delivered === true);
    const client = await system.billing.db.pool.connect();
    await client.query('begin');
    await client.query('lock table instagram_sends in exclusive mode');
    // The answer comes after a second; the update that records it then waits for the lock.
    await until(async () => {
      const { rows } = await system.billing.db.pool.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%update instagram_sends%'`,
      );
      return rows.length > 0;
    });
    await worker.kill();
    await client.query('rollback');
    client.release();
    worker = await system.startWorker();
    expect(await tenant.allEnded()).toMatchObject([{ status: 'completed' }]);
    expect(await sends()).toMatchObject([{ delivered: true }]);
    expect(await tenant.consumed()).toBe((await tenant.book()).total_tokens);
    await expectConsistent(system, tenant);
  });

  it('after recording the answer completes, even when paused', async () => {
    await control('PUT', 'instagram/faults', { rules: [{ kind: 'slow', delay_ms: 1_000, times: 1 }] });
    const { tenant, sends, pause } = await comment();
    await until(async () => (await sends())[0]?.delivered === true);
    const client = await system.billing.db.pool.connect();
    await client.query('begin');
    await client.query('select from jobs where account_id = $1 for update', [tenant.accountId]);
    await until(async () => {
      const { rows } = await system.billing.db.pool.query<{ state: string }>(
        'select state from instagram_sends where account_id = $1',
        [tenant.accountId],
      );
      return rows[0]?.state === 'sent';
    });
    await worker.kill();
    await client.query('rollback');
    client.release();
    await pause();
    worker = await system.startWorker();
    expect(await tenant.allEnded()).toMatchObject([{ status: 'completed' }]);
    expect(await sends()).toHaveLength(1);
  });
});
