import { newId } from '@tally/core';
import { newAccount } from '@tally/testing';
import { newDatabase, testLog } from '@tally/testing/vitest';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import {
  beginSend,
  confirmSends,
  connectDatabase,
  type Database,
  endSend,
  findSend,
  firstUnknownMessage,
  inTransaction,
} from '../src/index.ts';

let db: Database;
const igUserId = '17841400000000001';

beforeAll(async () => {
  db = connectDatabase({ url: await newDatabase(), name: 'test', log: testLog });
  return () => db.close();
});

const begin = (id: string, fence: number, text = 'Hello', person = '5') =>
  inTransaction(db, (client) =>
    beginSend(client, {
      id,
      accountId: newId(),
      fence,
      igUserId,
      recipient: { kind: 'person', id: person },
      personId: person,
      text,
    }),
  );
const echo = (messageId: string, text = 'Hello', personId = '5') => ({
  igUserId,
  personId,
  messageId,
  text,
  saidAt: new Date(),
});
const confirm = (...echoes: ReturnType<typeof echo>[]) => inTransaction(db, (client) => confirmSends(client, echoes));

describe('a send', () => {
  it('is begun once, though the same attempt may repeat that', async () => {
    const id = newId();
    expect(await begin(id, 1)).toEqual({ verdict: 'send', tries: 1 });
    expect(await begin(id, 1)).toEqual({ verdict: 'send', tries: 1 });
    expect(await begin(id, 2)).toEqual({ verdict: 'begun' });
  });

  it('is not reopened by a late outcome of an earlier attempt', async () => {
    const id = newId();
    await begin(id, 1);
    await endSend(db, { id, fence: 1, state: 'not_sent' });
    expect(await begin(id, 2)).toEqual({ verdict: 'send', tries: 2 });
    await endSend(db, { id, fence: 1, state: 'not_sent' });
    expect(await findSend(db, id)).toMatchObject({ state: 'about_to_send', fence: 2 });
    expect(await begin(id, 3)).toEqual({ verdict: 'begun' });
  });

  it('stays sent whatever outcome follows', async () => {
    const id = newId();
    await begin(id, 1);
    await endSend(db, { id, fence: 1, state: 'sent', messageId: `mid-${id}` });
    for (const state of ['failed', 'uncertain', 'not_sent'] as const) await endSend(db, { id, fence: 1, state });
    expect(await findSend(db, id)).toMatchObject({ state: 'sent', messageId: `mid-${id}` });
  });

  it('has the text of its latest attempt', async () => {
    const id = newId();
    await begin(id, 1, 'first');
    await endSend(db, { id, fence: 1, state: 'not_sent' });
    await begin(id, 2, 'second');
    expect(await findSend(db, id)).toMatchObject({ text: 'second' });
  });
});

describe('an echo', () => {
  it('confirms one send, so two of the same text need two echoes', async () => {
    const [first, second] = [newId(), newId()];
    await begin(first, 1, 'Same words', '7');
    await begin(second, 1, 'Same words', '7');
    expect(await confirm(echo('mid-a', 'Same words', '7'))).toEqual(new Set(['mid-a']));
    expect(await findSend(db, first)).toMatchObject({ state: 'sent', messageId: 'mid-a' });
    expect(await findSend(db, second)).toMatchObject({ state: 'about_to_send' });
    expect(await confirm(echo('mid-a', 'Same words', '7'), echo('mid-b', 'Same words', '7'))).toEqual(
      new Set(['mid-a', 'mid-b']),
    );
    expect(await findSend(db, second)).toMatchObject({ state: 'sent', messageId: 'mid-b' });
  });

  it('matches no send of another text, another person, or a later time', async () => {
    const id = newId();
    await begin(id, 1, 'Mine', '8');
    const before = { ...echo('mid-c', 'Mine', '8'), saidAt: new Date(Date.now() - 60_000) };
    expect(await confirm(before, echo('mid-d', 'Yours', '8'), echo('mid-e', 'Mine', '9'))).toEqual(new Set());
    expect(await firstUnknownMessage(db, ['mid-a', 'mid-b', 'mid-f', 'mid-g'])).toBe('mid-f');
  });
});

it('records a send whose echo is stored as a human’s at the same time', async () => {
  const { accountId } = await newAccount({ db });
  const [id, conversationId] = [newId(), newId()];
  await begin(id, 1, 'Ours', '10');
  await db.pool.query(
    `insert into conversations (id, account_id, channel, ig_user_id, customer) values ($1, $2, 'instagram', $3, '10')`,
    [conversationId, accountId, igUserId],
  );
  const insert = `insert into messages (id, conversation_id, account_id, role, text, external_id, said_at, delivery, answer_job, reply_id)
    values ($1, $2, $3, $4, $5, $6, now(), $7, $8, $9)`;
  const reply = newId();
  await db.pool.query(insert, [reply, conversationId, accountId, 'assistant', 'Ours', null, 'sending', null, null]);
  await db.pool.query(insert, [newId(), conversationId, accountId, 'customer', 'Hi', 'mid-hi', null, id, reply]);
  const recorded = await inTransaction(db, async (client) => {
    await client.query(insert, [newId(), conversationId, accountId, 'human', 'ours', 'mid-h', null, null, null]);
    const ending = endSend(db, { id, fence: 1, state: 'sent', messageId: 'mid-h' });
    await vi.waitUntil(async () => (await countWaiting()) > 0, { timeout: 10_000 });
    return { ending };
  });
  await recorded.ending;
  expect(await findSend(db, id)).toMatchObject({ state: 'sent', messageId: 'mid-h' });
  const { rows } = await db.pool.query(`select id, delivery from messages where external_id = 'mid-h'`);
  expect(rows).toEqual([{ id: reply, delivery: 'sent' }]);
});

async function countWaiting(): Promise<number> {
  const { rowCount } = await db.pool.query(
    `select from pg_stat_activity where wait_event = 'transactionid' and datname = current_database()`,
  );
  return rowCount ?? 0;
}
