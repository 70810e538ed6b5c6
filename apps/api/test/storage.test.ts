/** The storage of an account is counted, shown and limited. */
import { eraseRows, expireJobs } from '@tally/db';
import { questionPath } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const { api, call, newPerson } = await startPlatform({ worker: false });
const { db } = api.services;

type Shown = { storage_bytes_used: number; storage_bytes_limit: number };
type Full = { error_code: string; details: { storage_bytes_needed: number; storage_bytes_limit: number } };
const shown = async (token: string) => {
  const { body } = await call<Shown>('GET', '/api/billing/overview', { token });
  return { used: body.storage_bytes_used, limit: body.storage_bytes_limit };
};
const add = (token: string, text: string) =>
  call<{ knowledge: { id: string } } & Full>('POST', '/api/knowledge', { token, body: { title: 'T', text } });
const large = 'é'.repeat(49_000);

/** The expected counter: the sizes of all stored rows, computed from the tables. */
async function recount(accountId: string): Promise<number> {
  const { rows } = await db.pool.query<{ bytes: number }>(
    `select coalesce(sum(bytes), 0)::bigint as bytes from (
       select 200 + octet_length(title) + octet_length(text) as bytes from knowledge where account_id = $1
       union all select 200 + octet_length(concat(url, question, answer)) from qa_pairs where account_id = $1
       union all select 200 + octet_length(concat(name, currency_label, sku, gtin, mpn, brand, description, images, url, sources))
         from products where account_id = $1
       union all select 200 + octet_length(text) from messages where account_id = $1
       union all select 200 + octet_length(input::text) from jobs where account_id = $1 and input is not null) k`,
    [accountId],
  );
  return rows[0]?.bytes ?? 0;
}

describe('an account without a plan', () => {
  it('is refused above its limit, until it deletes', async () => {
    const { token } = await newPerson();
    const ids: string[] = [];
    let answer = await add(token, large);
    for (; answer.status === 201; answer = await add(token, large)) ids.push(answer.body.knowledge.id);
    expect(answer).toMatchObject({ status: 413, body: { error_code: 'storage_full' } });
    const { used, limit } = await shown(token);
    expect(limit).toBe(1_000_000);
    expect(used).toBeLessThanOrEqual(limit);
    expect(answer.body.details).toEqual({ storage_bytes_needed: used + 98_201, storage_bytes_limit: limit });
    expect((await call('DELETE', `/api/knowledge/${ids[0]}`, { token })).status).toBe(200);
    expect((await shown(token)).used).toBe(used - 98_201);
    expect((await add(token, large)).status).toBe(201);
  });

  it('stays within its limit with concurrent writes', async () => {
    const { accountId, token } = await newPerson();
    const answers = await Promise.all(Array.from({ length: 20 }, () => add(token, large)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(10);
    expect((await shown(token)).used).toBe(await recount(accountId));
  });
});

describe('a plan', () => {
  it('has its own limit, and keeps the data when it ends', async () => {
    const { accountId, token } = await newPerson({ tokens: 1_000 });
    expect((await shown(token)).limit).toBe(20_000_000);
    for (let i = 0; i < 11; i++) expect((await add(token, large)).status).toBe(201);
    await db.pool.query(`update subscriptions set ends_at = now() where account_id = $1`, [accountId]);
    expect(await shown(token)).toEqual({ used: 11 * 98_201, limit: 1_000_000 });
    expect((await add(token, 'One more.')).status).toBe(413);
  });
});

describe('a job', () => {
  it('is refused where its input exceeds the limit', async () => {
    const { accountId, token } = await newPerson({ tokens: 1_000 });
    await db.pool.query(
      `insert into account_storage values ($1, 19999000) on conflict (account_id) do update set bytes = excluded.bytes`,
      [accountId],
    );
    const ask = (question: string) => call<Full>('POST', questionPath, { token, body: { question } });
    expect((await ask('Short?')).status).toBe(202);
    const refused = await ask('x'.repeat(1_500));
    expect(refused).toMatchObject({ status: 413, body: { error_code: 'storage_full' } });
    expect(refused.body.details.storage_bytes_limit).toBe(20_000_000);
    expect((await call<{ jobs: unknown[] }>('GET', '/api/jobs', { token })).body.jobs).toHaveLength(1);
  });

  it('counts until its input is erased', async () => {
    const { accountId, token } = await newPerson({ tokens: 1_000 });
    await call('POST', questionPath, { token, body: { question: 'How long?' } });
    expect((await shown(token)).used).toBe(await recount(accountId));
    await db.pool.query(
      `update jobs set status = 'failed', finished_at = now() - interval '40 days' where account_id = $1`,
      [accountId],
    );
    await expireJobs(db, { days: 30, limit: 500 });
    expect((await shown(token)).used).toBe(0);
  });
});

describe('the storage counter', () => {
  it('equals the stored bytes after any sequence of changes', async () => {
    const { accountId, token } = await newPerson({ tokens: 10_000 });
    const text = fc.string({ minLength: 1, maxLength: 300, unit: 'grapheme' }).filter((value) => value.trim() !== '');
    const act = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), text }),
      fc.record({ kind: fc.constant('delete' as const), text }),
      fc.record({ kind: fc.constant('ask' as const), text }),
      fc.record({ kind: fc.constant('pair' as const), text }),
      fc.record({ kind: fc.constant('change' as const), text }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
        for (const { kind, text } of acts) {
          if (kind === 'add') await add(token, text);
          if (kind === 'ask') await call('POST', questionPath, { token, body: { question: text } });
          if (kind === 'delete')
            await db.pool.query(
              `delete from knowledge where id = (select max(id::text)::uuid from knowledge where account_id = $1)`,
              [accountId],
            );
          if (kind === 'pair')
            await db.pool.query(
              `insert into qa_pairs (id, account_id, url, source_key, question_key, question, answer)
               values (gen_random_uuid(), $1, 'u', '', decode(md5(random()::text), 'hex'), $2, $2)`,
              [accountId, text.replaceAll('\0', '')],
            );
          if (kind === 'change')
            await db.pool.query('update qa_pairs set answer = $2 where account_id = $1', [
              accountId,
              text.replaceAll('\0', ''),
            ]);
        }
        expect((await shown(token)).used).toBe(await recount(accountId));
      }),
      { numRuns: 15 },
    );
    await db.pool.query(`update jobs set status = 'failed', finished_at = now() where account_id = $1`, [accountId]);
    await eraseRows(db, accountId);
    expect((await shown(token)).used).toBe(0);
  });
});
