import { Writable } from 'node:stream';
import { newFullAccount, readColumns, testPassword, textOf } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { exportTo } from '../../ops/src/commands/export-account.ts';

const { api, call, login, newPerson } = await startPlatform({ worker: false });
const { db, billing } = api.services;

type Line = { kind: string; id?: string; lines?: number } & Record<string, unknown>;
const toLines = (text: string): Line[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

const path = '/api/accounts/export';
const me = await newFullAccount(billing, 'mineexported');
const other = await newFullAccount(billing, 'othersexported');
const token = await login(me.email, testPassword);
const answer = await call('GET', path, { token });
const lines = toLines(answer.text);

/** The `kind` of the lines that a table's rows become. */
const kinds: Record<string, string> = {
  api_keys: 'api_key',
  subscriptions: 'subscription',
  booked_periods: 'booked_subscription',
  token_grants: 'grant',
  ai_usage_log: 'usage',
  jobs: 'job',
  products: 'product',
  qa_pairs: 'qa',
  knowledge: 'knowledge',
  prompts: 'prompt',
  conversations: 'conversation',
  messages: 'message',
  workflows: 'workflow',
  instagram_accounts: 'instagram_account',
  webhook_events: 'event',
  instagram_sends: 'instagram_message',
};
/** Tables that are not exported, and why. */
const notExported: Record<string, string> = {
  account_storage: 'the bytes of what is exported',
  email_links: 'hashes of links that were sent, for two days',
  recovery_codes: 'hashes of secrets',
  passages: 'cut from knowledge, products and pairs, which are exported',
  idempotency_keys: 'fingerprints of requests, for a day',
  token_holds: 'what a call that runs right now may use, for seconds',
};
/** Columns that are secret or internal. */
const withheld = [
  'api_keys.key_hash',
  'instagram_accounts.access_token',
  'products.key',
  'qa_pairs.question_key',
  'qa_pairs.source_key',
  'webhook_events.dedupe_key',
];

describe('GET /api/accounts/export', () => {
  it('returns every row of every account table as JSON lines', async () => {
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    const columns = await readColumns(db);
    const tables = [...columns]
      .filter(([, all]) => all.some(({ name }) => name === 'account_id'))
      .map(([name]) => name);
    expect(tables.length).toBeGreaterThan(15);
    for (const table of tables.filter((name) => !(name in notExported))) {
      const { rows } = await db.pool.query<{ count: number }>(`select count(*) from ${table} where account_id = $1`, [
        me.accountId,
      ]);
      const exported = lines.filter(({ kind }) => kind === kinds[table]);
      expect({ table, rows: exported.length }).toEqual({ table, rows: rows[0]?.count });
      expect(exported.length).toBeGreaterThan(0);
    }
    expect(lines.filter(({ kind }) => kind === 'account')).toMatchObject([{ id: me.accountId, email: me.email }]);
    expect(lines.filter(({ kind }) => kind === 'instagram_opt_out')).toHaveLength(1);
    expect(lines.at(-1)).toEqual({ kind: 'end', lines: lines.length - 1 });
  });

  it('contains the account’s texts, no secrets, no other account', async () => {
    for (const [table, columns] of await readColumns(db))
      for (const { name } of columns.filter(({ type }) => ['text', 'jsonb', 'bytea', 'ARRAY'].includes(type))) {
        const text = textOf(me.marker, table, name);
        const { rows } = await db.pool.query<{ has: boolean }>(
          `select exists (select from ${table} t where position($1 in t::text) + position($2 in t::text) > 0) as has`,
          [text, Buffer.from(text).toString('hex')],
        );
        const isExpected = rows[0]?.has === true && !(table in notExported) && !withheld.includes(`${table}.${name}`);
        expect({ table, name, isExported: answer.text.includes(text) }).toEqual({
          table,
          name,
          isExported: isExpected,
        });
      }
    expect(answer.text).not.toContain(other.marker);
    expect(answer.text).not.toContain(other.accountId);
    expect(answer.text).not.toMatch(/argon2|password|access_token|key_hash/);
  });

  it('pages through large tables without gaps or duplicates', async () => {
    const person = await newPerson();
    for (const sql of [
      `insert into jobs (id, account_id, task, status, input)
         select gen_random_uuid(), $1, 'ask-question', 'failed', '{}' from generate_series(1, 45)`,
      `insert into messages (id, conversation_id, account_id, role, text, said_at)
         select gen_random_uuid(), id, $1, 'human', 'hello', now() from conversations, generate_series(1, 1001)
         where account_id = $2`,
      `insert into webhook_events (id, dedupe_key, account_id, ig_user_id, kind, outcome, happened_at)
         select gen_random_uuid(), 'page ' || n, $1, n % 3, 'comment', 'ignored', now() from generate_series(1, 61) n`,
      // One created_at for all, as after a statement that settles several calls.
      `insert into ai_usage_log (id, account_id, subscription_id, job_id, step, fence, task, model, input_tokens,
         cached_input_tokens, output_tokens, reasoning_tokens, total_tokens, billed_tokens, evidence, outcome, latency_ms)
         select gen_random_uuid(), $1, subscription_id, gen_random_uuid(), 'answer', 1, 'ask-question', 'sandbox', 0, 0, 0,
           0, 0, 0, 'unknown', 'aborted', 1 from ai_usage_log, generate_series(1, 501)
         where account_id = $2`,
    ])
      await db.pool.query(sql, sql.includes('$2') ? [person.accountId, other.accountId] : [person.accountId]);
    const all = toLines((await call('GET', path, { token: person.token })).text);
    const counts = Object.fromEntries(
      [...Map.groupBy(all, ({ kind }) => kind)].map(([kind, some]) => [kind, some.length]),
    );
    expect(counts).toEqual({ account: 1, job: 45, message: 1001, event: 61, usage: 501, end: 1 });
    const ids = all.flatMap(({ id }) => (id === undefined ? [] : [id]));
    expect(new Set(ids).size).toBe(ids.length);
    await db.pool.query('delete from messages where account_id = $1', [person.accountId]);
  });

  it('equals the export from the operator’s command line', async () => {
    let text = '';
    const out = new Writable({
      write(chunk, _, done) {
        text += chunk;
        done();
      },
    });
    expect(await exportTo(out, db, me.email.toUpperCase())).toBe(0);
    expect(text).toBe(answer.text);
    await expect(exportTo(out, db, 'nobody@example.com')).rejects.toThrow('There is no account nobody@example.com');
  });

  it('returns 429 after five exports in an hour', async () => {
    const person = await newPerson();
    for (let i = 0; i < 5; i++) expect((await call('GET', path, { token: person.token })).status).toBe(200);
    const refused = await call('GET', path, { token: person.token });
    expect(refused).toMatchObject({ status: 429, body: { error_code: 'rate_limited' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_000);
  });

  it('reads the database only as fast as the client reads', async () => {
    const person = await newPerson();
    await db.pool.query(
      `insert into knowledge (id, account_id, title, text)
       select gen_random_uuid(), $1, 'long', repeat('many words ', 9000) from generate_series(1, 400)`,
      [person.accountId],
    );
    const queries = vi.spyOn(db.pool, 'query');
    onTestFinished(() => queries.mockRestore());
    const pagesRead = () => queries.mock.calls.filter(([sql]) => String(sql).includes('from knowledge t')).length;
    const response = await fetch(`${api.url}${path}`, { headers: { authorization: `Bearer ${person.token}` } });
    // Long enough to read all 20 pages of 2 MB if the export did not wait for its reader.
    for (let i = 0; i < 100; i++) await call('GET', '/api/accounts/profile', { token: person.token });
    expect(pagesRead()).toBeLessThan(15);
    expect(toLines(await response.text()).filter(({ kind }) => kind === 'knowledge')).toHaveLength(400);
    expect(pagesRead()).toBe(21);
  });
});
