/** Instagram messages that are prepared, snoozed or in flight, when their job is cancelled, requeued or echoed. */
import { type Body, type Person, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { beforeEach, expect, test } from 'vitest';

const platform = await startPlatform();
const { call, newPerson, poll, sandbox } = platform;
const { instagram } = sandbox;
const { db } = platform.api.services;

let igCount = 0;
let igUserId: string;
let owner: Person;

async function connect(tokens: number): Promise<void> {
  igUserId = `1784140000001${String(++igCount).padStart(4, '0')}`;
  owner = await newPerson({ tokens });
  const body = { ig_user_id: igUserId, username: `shop${igCount}`, access_token: `token-${igCount}` };
  expect((await call('POST', '/api/instagram/accounts', { token: owner.token, body })).status).toBe(201);
}
beforeEach(() => {
  instagram.clear();
  sandbox.faults.clear();
});

const sends = () => instagram.sends.list({ ig_user_id: igUserId }).filter(({ delivered }) => delivered);
const sendState = async (jobId: string) =>
  (await db.pool.query<{ state: string }>('select state from instagram_sends where id = $1', [jobId])).rows[0]?.state;
const slowDown = () => instagram.faults.set([{ kind: 'error', code: 4, retry_after_s: 1 }]);

async function answerComment(text: string): Promise<string> {
  const body = { ig_user_id: igUserId, comment_id: '17870000000000777', text, from_id: '551' };
  const answer = await call<{ job_id: string }>('POST', '/api/workflow/instagram-dm', { token: owner.token, body });
  expect(answer.status).toBe(202);
  return answer.body.job_id;
}
/** Fires a customer's message and returns the id of its job. */
async function write(text: string): Promise<string> {
  await instagram.fire({ ig_user_id: igUserId, kind: 'message', from: { id: '552' }, text } as never);
  const { rows } = await db.pool.query<{ job_id: string }>(
    `select job_id from webhook_events where account_id = $1 and job_id is not null order by id desc limit 1`,
    [owner.accountId],
  );
  return rows[0]?.job_id ?? '';
}
const cancel = (jobId: string) => call('DELETE', `/api/jobs/${jobId}`, { token: owner.token });

test('a comment whose snoozed job is cancelled is answered by another', async () => {
  await connect(10_000);
  slowDown();
  const first = await answerComment('How much?');
  await until(async () => (await sendState(first)) === 'not_sent');
  expect([200, 202]).toContain((await cancel(first)).status);
  expect((await poll(owner.token, first)).status).toBe('cancelled');
  instagram.faults.clear();
  const second = await answerComment('How much is the lamp?');
  expect(await poll<Body>(owner.token, second)).toMatchObject({ status: 'completed', result: { sent: true } });
  expect(sends()).toHaveLength(1);
});

test('messages a cancelled job took are answered by their own jobs', async () => {
  await connect(10_000);
  slowDown();
  const [first, second] = [await write('Hi!'), await write('How much is the lamp?')];
  await until(async () => (await sendState(first)) === 'not_sent');
  await cancel(first);
  expect((await poll(owner.token, first)).status).toBe('cancelled');
  instagram.faults.clear();
  expect(await poll<Body>(owner.token, second)).toMatchObject({
    status: 'completed',
    result: { reply: expect.any(String) },
  });
  expect(sends()).toHaveLength(1);
});

test('messages rejected for lack of tokens are answered when requeued', async () => {
  await connect(60);
  const first = await write('How much is the lamp?');
  expect((await poll(owner.token, first)).status).toBe('rejected');
  const second = await write('Anybody there?');
  expect((await poll(owner.token, second)).status).toBe('rejected');
  const operator = await newPerson({ role: 'operator' });
  const body = { email: owner.email, tokens: 5_000, reason: 'more' };
  expect((await call('POST', '/api/admin/grants', { token: operator.token, body })).status).toBe(201);
  for (const jobId of [first, second])
    expect((await call('POST', `/api/admin/jobs/${jobId}/requeue`, { token: operator.token })).status).toBe(202);
  for (const jobId of [first, second]) expect((await poll(owner.token, jobId)).status).toBe('completed');
  expect(sends().length).toBeGreaterThan(0);
});

test('an echo that races the record of its send is attributed to it', async () => {
  await connect(10_000);
  instagram.faults.set([{ kind: 'reset' }]);
  const uncertain = await write('How much is the lamp?');
  await until(async () => (await sendState(uncertain)) === 'uncertain');
  const { rows } = await db.pool.query<{ conversation_id: string; text: string }>(
    'select m.conversation_id, s.text from messages m join instagram_sends s on s.id = m.id where m.id = $1',
    [uncertain],
  );
  const [sent] = rows;
  // An uncommitted record of another job's message with the same text.
  const recording = await db.pool.connect();
  await recording.query('begin');
  await recording.query(
    `insert into messages (id, conversation_id, account_id, role, text, external_id, said_at)
     values (gen_random_uuid(), $1, $2, 'assistant', $3, 'mid-of-both', now())`,
    [sent?.conversation_id, owner.accountId, sent?.text],
  );
  const echo = { kind: 'echo', from: { id: '552' }, mid: 'mid-of-both', text: sent?.text } as const;
  const taken = instagram.fire({ ig_user_id: igUserId, ...echo } as never);
  await until(
    async () =>
      (
        await db.pool.query(
          `select from pg_stat_activity where wait_event = 'transactionid' and datname = current_database()`,
        )
      ).rows.length > 0,
  );
  await recording.query(
    `insert into instagram_sends (id, account_id, ig_user_id, recipient_kind, recipient_id, text, state, fence, message_id)
     values (gen_random_uuid(), $1, $2, 'person', '552', $3, 'sent', 1, 'mid-of-both')`,
    [owner.accountId, igUserId, sent?.text],
  );
  await recording.query('commit');
  recording.release();
  expect(await taken).toMatchObject({ status: 200 });
  expect(await sendState(uncertain)).not.toBe('sent');
});
