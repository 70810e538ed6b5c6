import { unseal } from '@tally/core';
import { sealContext } from '@tally/db';
import { startPlatform, testLog } from '@tally/testing/vitest';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { refreshTokens } from '../src/maintenance/refresh-tokens.ts';
import { startWorker } from '../src/start.ts';

const { config, call, newPerson, sandbox } = await startPlatform({ worker: false });
const worker = await startWorker(config, testLog);
afterAll(() => worker.close());
const { db, sealKeys } = worker.services;

let count = 0;
let igUserId: string;

/** Connects an account whose token is due for a refresh. */
beforeEach(async () => {
  igUserId = `1784140000001${String(++count).padStart(4, '0')}`;
  sandbox.instagram.faults.clear();
  const { token } = await newPerson();
  const body = { ig_user_id: igUserId, username: 'lamps', access_token: `IGAA-${igUserId}` };
  expect((await call('POST', '/api/instagram/accounts', { token, body })).status).toBe(201);
  await db.pool.query(`update instagram_accounts set token_refresh_at = now() where ig_user_id = $1`, [igUserId]);
});

type Row = { access_token: string; state: string; days_left: number | null; next_in_hours: number };
async function account(): Promise<Row> {
  const { rows } = await db.pool.query<Row>(
    `select access_token, state, extract(epoch from token_expires_at - now()) / 86400 as days_left,
       extract(epoch from token_refresh_at - now()) / 3600 as next_in_hours
     from instagram_accounts where ig_user_id = $1`,
    [igUserId],
  );
  if (rows[0] === undefined) throw new Error('no account');
  return rows[0];
}

describe('token due for a refresh', () => {
  it('is refreshed, sealed, and due again a day later', async () => {
    const before = await account();
    expect(await refreshTokens(worker.services, 10)).toBe(1);
    const after = await account();
    expect(after.access_token).toMatch(/^v1\./);
    const [old, fresh] = [before, after].map((row) => unseal(sealKeys, sealContext(igUserId), row.access_token));
    expect(old).toBe(`IGAA-${igUserId}`);
    expect(fresh).not.toBe(old);
    expect(after.days_left).toBeGreaterThan(59);
    expect(after.next_in_hours).toBeGreaterThan(23);
    expect(await refreshTokens(worker.services, 10)).toBe(0);
  });

  it('marks its account as needs_login if Instagram revoked it', async () => {
    sandbox.instagram.faults.set([{ kind: 'error', code: 190, match: { call: 'refresh' } }]);
    await refreshTokens(worker.services, 10);
    expect(await account()).toMatchObject({ state: 'needs_login' });
  });

  it('is retried within an hour if Instagram is down', async () => {
    sandbox.instagram.faults.set([{ kind: 'server_error', match: { call: 'refresh' } }]);
    const before = await account();
    await refreshTokens(worker.services, 10);
    const after = await account();
    expect(after).toMatchObject({ state: 'active', access_token: before.access_token });
    expect(after.next_in_hours).toBeLessThanOrEqual(1);
  });

  it('that can’t be unsealed does not prevent other refreshes', async () => {
    await db.pool.query(
      `insert into instagram_accounts (id, account_id, ig_user_id, username, access_token, token_refresh_at)
       select gen_random_uuid(), account_id, $1 || '9', 'broken', 'v1.00000000.AAAA', now() - interval '1 hour'
       from instagram_accounts where ig_user_id = $1`,
      [igUserId],
    );
    expect(await refreshTokens(worker.services, 10)).toBe(2);
    expect((await account()).days_left).toBeGreaterThan(59);
  });
});
