import { newId, readSettings } from '@tally/core';
import {
  deleteOldEvents,
  deleteOldIdempotencyKeys,
  expireJobs,
  findJob,
  listPrompts,
  requeueJobs,
  writePrompt,
} from '@tally/db';
import { newAccount, newFullAccount, until } from '@tally/testing';
import { startPlatform, testLog } from '@tally/testing/vitest';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { deleteExpiredConversations, inPages, retentionJob } from '../src/maintenance/forget.ts';
import { startWorker } from '../src/start.ts';

const { config, api } = await startPlatform({ worker: false });
const { db, billing, queues } = api.services;

let accountId: string;
beforeEach(async () => {
  ({ accountId } = await newAccount(billing));
});

const retention = { jobsDays: 30, eventsDays: 30, conversationsDays: 180 };
const turn = (what: 'jobs' | 'events' | 'conversations', days: Partial<typeof retention> = {}) => {
  const services = { db, log: testLog, retention: { ...retention, ...days } };
  if (what === 'jobs') return retentionJob(what, ({ jobsDays }) => jobsDays, expireJobs)(services);
  if (what === 'events') return retentionJob(what, ({ eventsDays }) => eventsDays, deleteOldEvents)(services);
  return retentionJob(what, ({ conversationsDays }) => conversationsDays, deleteExpiredConversations)(services);
};

/** Inserts jobs that ended, or entered their status, `days` ago; each with a step and a sent message. */
async function insertJobs(days: number, input: { status?: string; count?: number } = {}): Promise<string[]> {
  const { status = 'failed', count = 1 } = input;
  const ids = Array.from({ length: count }, newId);
  const hasEnded = status !== 'queued' && status !== 'running';
  await db.pool.query(
    `with added as (
       insert into jobs (id, account_id, task, status, input, result, progress, error, error_code, finished_at, created_at)
       select u.id, $2, 'ask-question', $3, '{"question":"secret"}', '"secret"', 'secret', 'secret', 'timeout',
         case when $5 then now() - make_interval(days => $4) end, now() - make_interval(days => $4)
       from unnest($1::uuid[]) as u (id) returning id
     ), steps as (
       insert into job_steps (job_id, step, output) select id, 'answer', '"secret"' from added
     )
     insert into instagram_sends (id, account_id, ig_user_id, recipient_kind, recipient_id, text, state, fence)
     select id, $2, '1', 'comment', id::text, 'secret', 'sent', 1 from added`,
    [ids, accountId, status, days, hasEnded],
  );
  return ids;
}

/** The number of these jobs that still have texts, steps or the text of a sent message. */
async function countTexts(ids: string[]): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>(
    `select count(*) from jobs j where id = any($1::uuid[]) and (j::text like '%secret%'
       or exists (select from job_steps s where s.job_id = j.id)
       or exists (select from instagram_sends s where s.id = j.id and s.text <> ''))`,
    [ids],
  );
  return rows[0]?.count ?? 0;
}

describe('ended jobs', () => {
  it('lose their texts, not their row, after the retention period', async () => {
    const [old] = (await insertJobs(31)) as [string];
    const kept = [
      ...(await insertJobs(29)),
      ...(await insertJobs(31, { status: 'queued' })),
      ...(await insertJobs(31, { status: 'running' })),
    ];
    await turn('jobs');
    expect(await countTexts([old])).toBe(0);
    expect(await countTexts(kept)).toBe(3);
    const job = { id: old, task: 'ask-question', status: 'failed', errorCode: 'timeout', finishedAt: expect.any(Date) };
    expect(await findJob(db, accountId, old)).toMatchObject({ ...job, result: null, progress: null, error: null });
    const { rows } = await db.pool.query('select state, recipient_id from instagram_sends where id = $1', [old]);
    expect(rows).toEqual([{ state: 'sent', recipient_id: old }]);
  });

  it('are all cleared in one turn, except locked rows', async () => {
    const ids = await insertJobs(31, { count: 1_203 });
    const client = await db.pool.connect();
    await client.query('begin');
    await client.query('select from jobs where id = $1 for update', [ids[600]]);
    await turn('jobs');
    expect(await countTexts(ids)).toBe(1);
    await client.query('commit');
    client.release();
    await turn('jobs');
    expect(await countTexts(ids)).toBe(0);
  });

  it('can’t be requeued once their input is deleted', async () => {
    const [old] = (await insertJobs(31)) as [string];
    await turn('jobs');
    expect(await requeueJobs(db, [old, ...(await insertJobs(29))])).toHaveLength(1);
    await expect(db.pool.query(`update jobs set status = 'queued' where id = $1`, [old])).rejects.toThrow(
      'jobs_open_have_input',
    );
  });

  it('are kept for ever with a retention of 0 days', async () => {
    const ids = await insertJobs(3_000);
    await turn('jobs', { jobsDays: 0 });
    expect(await countTexts(ids)).toBe(1);
  });

  it('are cleared by a worker’s housekeeping queue', async () => {
    const ids = await insertJobs(31);
    const worker = await startWorker(config, testLog);
    onTestFinished(() => worker.close());
    await queues.maintenance.add('forget jobs', {});
    await until(async () => (await countTexts(ids)) === 0);
  });
});

describe('webhook events', () => {
  async function insertEvents(days: number, count: number): Promise<void> {
    await db.pool.query(
      `insert into webhook_events (id, dedupe_key, account_id, kind, outcome, payload, happened_at, received_at)
       select id, id::text, $2, 'comment', 'ignored', '{}', now(), now() - make_interval(days => $3)
       from unnest($1::uuid[]) as u (id)`,
      [Array.from({ length: count }, newId), accountId, days],
    );
  }
  const countEvents = async () =>
    (await db.pool.query('select from webhook_events where account_id = $1', [accountId])).rowCount;

  it('are deleted after the retention period', async () => {
    await insertEvents(31, 1_203);
    await insertEvents(29, 2);
    await turn('events', { eventsDays: 0 });
    expect(await countEvents()).toBe(1_205);
    await turn('events');
    expect(await countEvents()).toBe(2);
  });

  it('can’t have a retention shorter than Meta’s redelivery', () => {
    expect(() => readSettings({ RETENTION_EVENTS_DAYS: '1' })).toThrow('RETENTION_EVENTS_DAYS: must be 0');
    for (const days of ['0', '2', '365'])
      expect(readSettings({ RETENTION_EVENTS_DAYS: days }).retention.eventsDays).toBe(Number(days));
  });
});

describe('conversations', () => {
  /** Inserts a conversation whose last message is `days` old; the first message has its job's id. */
  async function insertConversation(days: number, messages = 3): Promise<{ id: string; jobId: string }> {
    const [id, jobId] = [newId(), newId()];
    await db.pool.query(
      `insert into conversations (id, account_id, channel, customer, last_message_at)
       values ($1::uuid, $2, 'api', $1::text, now() - make_interval(days => $3))`,
      [id, accountId, days],
    );
    await db.pool.query(
      `insert into messages (id, conversation_id, account_id, role, text, said_at)
       select case n when 1 then $4 else gen_random_uuid() end, $1, $2, 'customer', 'hello', now() from generate_series(1, $3) n`,
      [id, accountId, messages, jobId],
    );
    return { id, jobId };
  }
  const countMessages = async (id: string) =>
    (await db.pool.query('select from messages where conversation_id = $1', [id])).rowCount;
  const isThere = async (id: string) =>
    (await db.pool.query('select from conversations where id = $1', [id])).rowCount === 1;
  const insertJob = (id: string, status: string, input: object) =>
    db.pool.query(`insert into jobs (id, account_id, task, status, input) values ($1, $2, 'customer-chat', $3, $4)`, [
      id,
      accountId,
      status,
      JSON.stringify(input),
    ]);

  it('are deleted with their messages after the retention period', async () => {
    const [long, short, young] = [
      await insertConversation(181, 1_203),
      await insertConversation(181),
      await insertConversation(179),
    ];
    await turn('conversations', { conversationsDays: 0 });
    expect(await countMessages(long.id)).toBe(1_203);
    await turn('conversations');
    for (const { id } of [long, short]) {
      expect(await countMessages(id)).toBe(0);
      expect(await isThere(id)).toBe(false);
    }
    expect(await countMessages(young.id)).toBe(3);
  });

  it('are kept while an open job is to answer in them', async () => {
    const [waiting, running, named, ended] = [
      await insertConversation(181),
      await insertConversation(181),
      await insertConversation(181),
      await insertConversation(181),
    ];
    await insertJob(waiting.jobId, 'queued', {});
    await insertJob(running.jobId, 'running', {});
    await insertJob(newId(), 'queued', { conversation_id: named.id });
    await insertJob(ended.jobId, 'failed', { conversation_id: ended.id });
    await turn('conversations');
    for (const { id } of [waiting, running, named]) expect(await countMessages(id)).toBe(3);
    expect(await isThere(ended.id)).toBe(false);
    await db.pool.query(`update jobs set status = 'completed' where account_id = $1`, [accountId]);
    await turn('conversations');
    for (const { id } of [waiting, running, named]) expect(await isThere(id)).toBe(false);
  });
});

describe('ledger', () => {
  const readLedger = async () => {
    const tables = ['token_grants', 'ai_usage_log', 'token_holds', 'subscriptions', 'subscription_balances'];
    const rows = await Promise.all(
      tables.map((table) => db.pool.query<{ row: string }>(`select t::text as row from ${table} t order by 1`)),
    );
    return rows.flatMap((result) => result.rows.map(({ row }) => row));
  };

  it('is unchanged when an account’s other data is deleted', async () => {
    const full = await newFullAccount(billing, 'forgotten');
    for (const sql of [
      `update jobs set finished_at = now() - interval '31 days' where finished_at is not null and account_id = $1`,
      `update webhook_events set received_at = now() - interval '31 days' where account_id = $1`,
      `update conversations set last_message_at = now() - interval '181 days' where account_id = $1`,
    ])
      expect((await db.pool.query(sql, [full.accountId])).rowCount).toBe(1);
    const before = await readLedger();
    await turn('jobs');
    await turn('events');
    await turn('conversations');
    const counts = ['webhook_events', 'conversations', 'messages'].map(
      async (table) => (await db.pool.query(`select from ${table} where account_id = $1`, [full.accountId])).rowCount,
    );
    expect(await Promise.all(counts)).toEqual([0, 0, 0]);
    expect(before.length).toBeGreaterThan(4);
    expect(await readLedger()).toEqual(before);
    expect((await findJob(db, full.accountId, full.endedJob))?.tokensConsumed).toBe(10);
  });
});

describe('fixed retention', () => {
  it('keeps the latest 20 versions of a prompt', async () => {
    for (let i = 1; i <= 23; i++) await writePrompt(db, accountId, `version ${i}`);
    const versions = (await listPrompts(db, accountId, 100)).map(({ version }) => version);
    expect(versions).toEqual(Array.from({ length: 20 }, (_, i) => 23 - i));
  });

  it('deletes all idempotency keys older than a day in one turn', async () => {
    await db.pool.query(
      `insert into idempotency_keys (account_id, key, request_hash, created_at)
       select $1, n::text, '', now() - make_interval(hours => case when n > 1200 then 23 else 25 end)
       from generate_series(1, 1203) n`,
      [accountId],
    );
    await inPages(() => deleteOldIdempotencyKeys(db, 500));
    const left = await db.pool.query('select from idempotency_keys where account_id = $1', [accountId]);
    expect(left.rowCount).toBe(3);
  });
});

describe('e-mail links', () => {
  it('are deleted by housekeeping a day after they expire', async () => {
    await db.pool.query(
      `insert into email_links (token_hash, account_id, purpose, password_hash, expires_at)
       select sha256(u.hours::text::bytea), $1, 'confirm', 'a hash', now() - make_interval(hours => u.hours)
       from unnest(array[23, 25]) as u (hours)`,
      [accountId],
    );
    const worker = await startWorker(config, testLog);
    onTestFinished(() => worker.close());
    await queues.maintenance.add('forget e-mail links', {});
    const links = () =>
      db.pool.query(`select token_hash = sha256('23') as "isYounger" from email_links where account_id = $1`, [
        accountId,
      ]);
    await until(async () => (await links()).rows.length === 1);
    expect((await links()).rows).toEqual([{ isYounger: true }]);
  });
});
