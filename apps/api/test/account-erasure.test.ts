import { auditPage } from '@tally/billing';
import { minId, newId } from '@tally/core';
import { countStrayLedgerRows } from '@tally/db';
import { type FullAccount, newAccount, newFullAccount, readColumns, testPassword, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, vi } from 'vitest';
import { eraseAccount } from '../../ops/src/commands/erase-account.ts';
import { continueErasures } from '../../worker/src/maintenance/forget.ts';

const { api, call, login, newPerson, register } = await startPlatform({ worker: false });
const { db, billing } = api.services;
await newAccount(billing, { role: 'operator', email: 'operator@example.com' });

const path = '/api/accounts/erase';
const body = { password: testPassword };
/** Tables that hold numbers and no text. */
const ledger = ['token_grants', 'ai_usage_log', 'token_holds', 'subscriptions', 'account_storage'];
let count = 0;
const newMarked = () => newFullAccount(billing, `marked${++count}x`);

/** Rows per table that contain one of these words, as text or as bytes. */
async function findWords(words: string[]): Promise<Record<string, number>> {
  const patterns = words.flatMap((word) => [`%${word}%`, `%${Buffer.from(word).toString('hex')}%`]);
  const found: Record<string, number> = {};
  for (const table of (await readColumns(db)).keys()) {
    const { rows } = await db.pool.query<{ count: number }>(
      `select count(*) from ${table} t where t::text ilike any($1::text[])`,
      [patterns],
    );
    if (rows[0]?.count) found[table] = rows[0].count;
  }
  return found;
}

/** Every row with this account id, as text. */
async function readRows(accountId: string, tables?: string[]): Promise<Record<string, string[]>> {
  const all: Record<string, string[]> = {};
  for (const [table, columns] of await readColumns(db)) {
    if (!columns.some(({ name }) => name === 'account_id') || tables?.includes(table) === false) continue;
    const { rows } = await db.pool.query<{ row: string }>(
      `select t::text as row from ${table} t where account_id = $1 order by 1`,
      [accountId],
    );
    all[table] = rows.map(({ row }) => row);
  }
  return all;
}

async function erasureEndedAt(accountId: string): Promise<Date | null> {
  const { rows } = await db.pool.query<{ at: Date | null }>(
    'select erasure_ended_at as at from accounts where id = $1',
    [accountId],
  );
  return rows[0]?.at ?? null;
}

/** Backdates an erasure so far that no earlier request can still be running. */
const ageErasure = (accountId: string) =>
  db.pool.query(`update accounts set erased_at = erased_at - interval '11 minutes' where id = $1`, [accountId]);

const housekeeping = () => continueErasures({ db, log: api.services.log });

describe('POST /api/accounts/erase', () => {
  it('erases all text of the account and only that, keeps its ledger', async () => {
    const me = await newMarked();
    const other = await newMarked();
    const words = [me.marker, me.email];
    const before = await findWords(words);
    const columns = await readColumns(db);
    const ofAccounts = [...columns].filter(([, all]) => all.some(({ name }) => name === 'account_id'));
    for (const [table] of ofAccounts.filter(([name]) => !ledger.includes(name) && name !== 'booked_periods'))
      expect({ table, hasWords: (before[table] ?? 0) > 0 }).toEqual({ table, hasWords: true });
    const kept = ['token_grants', 'ai_usage_log', 'token_holds'];
    const [mine, others] = [await readRows(me.accountId, kept), await readRows(other.accountId)];

    const answer = await call('POST', path, { token: await login(me.email), body });
    expect(answer).toMatchObject({
      status: 202,
      body: { jobs_cancelled: 1, removed: { jobs: 2, messages: 1, knowledge: 1, instagram_opt_outs: 1 } },
    });
    expect(await findWords(words)).toEqual({});
    expect(await readRows(me.accountId, ['booked_periods'])).toEqual({ booked_periods: [] });
    expect(await readRows(me.accountId, ['account_storage'])).toEqual({ account_storage: [`(${me.accountId},0)`] });
    expect(await readRows(me.accountId, kept)).toEqual(mine);
    expect(await readRows(other.accountId)).toEqual(others);
    const { rows } = await db.pool.query(
      `select id, status, error_code, input, result, progress, error, finished_at is not null as has_ended from jobs
       where account_id = $1 order by id`,
      [me.accountId],
    );
    const gone = { input: null, result: null, progress: null, error: null, has_ended: true };
    expect(rows).toEqual([
      { id: me.endedJob, status: 'failed', error_code: 'timeout', ...gone },
      { id: me.queuedJob, status: 'cancelled', error_code: 'cancelled', ...gone },
    ]);
    const audit = await auditPage(billing, { afterId: minId, limit: 1_000 });
    expect(audit.findings).toEqual([]);
    expect(await countStrayLedgerRows(db)).toEqual({ grants: 0, usage: 0 });
  });

  it('revokes all access at once and frees the address', async () => {
    const { accountId, email } = await newAccount(billing, { tokens: 100 });
    const token = await login(email);
    const made = await call<{ api_key: { key: string } }>('POST', '/api/accounts/api-keys', {
      token,
      body: { name: 'key' },
    });
    expect((await call('POST', path, { token, body })).status).toBe(202);
    for (const proof of [token, made.body.api_key.key])
      expect((await call('GET', '/api/accounts/profile', { token: proof })).status).toBe(401);
    for (const address of [email, `erased-${accountId}@erased.invalid`])
      expect((await call('POST', '/api/accounts/login', { body: { email: address, ...body } })).status).toBe(401);
    await register(email);
  });

  it('ends the subscription without renewal', async () => {
    const { accountId, email, subscriptionId } = await newAccount(billing, { tokens: 100 });
    await call('POST', path, { token: await login(email), body });
    const { rows } = await db.pool.query(
      `select status, renews, is_current, ends_at <= now() as has_ended from subscriptions where account_id = $1`,
      [accountId],
    );
    expect(rows).toEqual([{ status: 'inactive', renews: false, is_current: true, has_ended: true }]);
    expect(await billing.readStanding(accountId)).toMatchObject({
      refusal: 'subscription_inactive',
      isRenewalDue: false,
      subscription: { id: subscriptionId },
    });
  });

  it('changes nothing without the right password', async () => {
    const { token } = await newPerson();
    for (const wrong of [{ password: 'wrong' }, {}, { password: testPassword, more: 1 }]) {
      const { status } = await call('POST', path, { token, body: wrong });
      expect(status).toBe('password' in wrong && wrong.password === 'wrong' ? 401 : 400);
    }
    expect((await call('GET', '/api/accounts/profile', { token })).status).toBe(200);
  });

  it('keeps one operator when the last two erase themselves at once', async () => {
    await db.pool.query(`update accounts set role = 'tenant'`);
    const two = await Promise.all([newPerson({ role: 'operator' }), newPerson({ role: 'operator' })]);
    // The lock holds both requests until both have started.
    const client = await db.pool.connect();
    await client.query('begin');
    await client.query('select from accounts for update');
    const asked = Promise.all(two.map(({ token }) => call('POST', path, { token, body })));
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    await until(async () => (await db.pool.query(waiting)).rowCount === 2);
    await client.query('commit');
    client.release();
    expect((await asked).map(({ status }) => status).sort()).toEqual([202, 409]);
    const left = await db.pool.query(`select from accounts where role = 'operator' and erased_at is null`);
    expect(left.rowCount).toBe(1);
  });

  it('refuses to register an erased account’s placeholder address', async () => {
    const taken = await call('POST', '/api/accounts/register', {
      body: { email: `Erased-${newId()}@ERASED.invalid`, password: testPassword },
    });
    expect(taken).toMatchObject({ status: 400, body: { error_code: 'invalid_input' } });
  });
});

describe('an interrupted erasure', () => {
  const begin = async (me: FullAccount) => {
    // The state that a process leaves when it dies right after its first transaction.
    await db.pool.query(
      `update accounts set erased_at = now(), email = 'erased-' || id, suspended_reason = null where id = $1`,
      [me.accountId],
    );
  };

  it('is finished by housekeeping, with a pass after late writes', async () => {
    const me = await newMarked();
    await begin(me);
    await housekeeping();
    expect(await findWords([me.marker])).toEqual({});
    expect(await erasureEndedAt(me.accountId)).toBeNull();
    await db.pool.query(`insert into knowledge (id, account_id, title, text) values ($1, $2, $3, 'late')`, [
      newId(),
      me.accountId,
      me.marker,
    ]);
    await ageErasure(me.accountId);
    await housekeeping();
    expect(await findWords([me.marker])).toEqual({});
    expect(await erasureEndedAt(me.accountId)).toBeInstanceOf(Date);
  });

  it('waits for a running job and erases its result', async () => {
    const me = await newMarked();
    await db.pool.query(
      `update jobs set status = 'running', lease_expires_at = now() + interval '1 hour' where id = $1`,
      [me.queuedJob],
    );
    await begin(me);
    await ageErasure(me.accountId);
    await housekeeping();
    expect(await findWords([me.marker])).toEqual({ jobs: 1, job_steps: 1 });
    expect(await erasureEndedAt(me.accountId)).toBeNull();
    await db.pool.query(
      `update jobs set status = 'completed', result = to_jsonb($2::text), lease_expires_at = null, finished_at = now()
       where id = $1`,
      [me.queuedJob, me.marker],
    );
    await housekeeping();
    expect(await findWords([me.marker])).toEqual({});
    expect(await erasureEndedAt(me.accountId)).toBeInstanceOf(Date);
  });

  it('continues in pages past a locked row', async () => {
    const me = await newMarked();
    await db.pool.query(
      `insert into messages (id, conversation_id, account_id, role, text, said_at)
       select gen_random_uuid(), conversation_id, account_id, 'human', $2, now() from messages, generate_series(1, 1200)
       where account_id = $1`,
      [me.accountId, me.marker],
    );
    await begin(me);
    const client = await db.pool.connect();
    await client.query('begin');
    await client.query('select from knowledge where account_id = $1 for update', [me.accountId]);
    await ageErasure(me.accountId);
    await housekeeping();
    // The locked entry's passages are erased with the entry.
    expect(await findWords([me.marker])).toEqual({ knowledge: 1 });
    expect(await erasureEndedAt(me.accountId)).toBeNull();
    await client.query('commit');
    client.release();
    await housekeeping();
    expect(await findWords([me.marker])).toEqual({});
    expect(await erasureEndedAt(me.accountId)).toBeInstanceOf(Date);
  });
});

describe('npm run ops -- erase', () => {
  /** Output and exit code of the command. */
  async function run(emailOrId: string, options?: { dryRun: boolean }): Promise<{ code: number; output: string }> {
    const output: unknown[] = [];
    const spies = [vi.spyOn(console, 'log'), vi.spyOn(console, 'error')];
    for (const spy of spies) spy.mockImplementation((line) => void output.push(line));
    try {
      return { code: await eraseAccount(db, emailOrId, options), output: output.join('\n') };
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  }

  it('reports a dry run, erases, and can be repeated by id', async () => {
    const me = await newMarked();
    const before = await readRows(me.accountId);
    const dry = await run(me.email, { dryRun: true });
    expect(dry).toMatchObject({ code: 0, output: expect.stringMatching(/Would erase.*messages: 1.*passages: 1/s) });
    expect(await readRows(me.accountId)).toEqual(before);
    const done = await run(me.email);
    expect(done).toMatchObject({
      code: 0,
      output: expect.stringMatching(/messages: 1.*1 queued jobs.*Nothing is left/s),
    });
    expect(await findWords([me.marker, me.email])).toEqual({});
    await expect(run(me.email)).rejects.toThrow('There is no account');
    expect(await run(me.accountId)).toMatchObject({ code: 0, output: expect.stringContaining('  nothing') });
  });

  it('refuses the last operator', async () => {
    await db.pool.query(`update accounts set role = 'tenant'`);
    const { email } = await newAccount(billing, { role: 'operator' });
    expect(await run(email)).toMatchObject({ code: 1, output: expect.stringContaining('last operator') });
    await login(email);
  });
});
