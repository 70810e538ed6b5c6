import { newId } from '@tally/core';
import { newAccount } from '@tally/testing';
import { newBilling, newConfig } from '@tally/testing/vitest';
import { afterAll, expect, it } from 'vitest';
import { changeInstagramAccount, connectInstagram, requireLogin } from '../src/index.ts';

const { db } = await newBilling(await newConfig(), afterAll);

async function connect(): Promise<{ accountId: string; id: string; igUserId: string }> {
  const { accountId } = await newAccount({ db }, { tokens: 1_000 });
  const igUserId = newId();
  const input = { accountId, igUserId, username: 'shop', accessToken: 'sealed', autoReply: true, maxAccounts: 1 };
  const connected = await connectInstagram(db, input);
  return { accountId, id: connected?.id ?? '', igUserId };
}

it('sets the state and its reason on pausing, and clears both on resuming', async () => {
  const { accountId, id } = await connect();
  expect(await changeInstagramAccount(db, { accountId, id, isPaused: true })).toMatchObject({
    state: 'paused',
    stateReason: 'Paused by its owner',
  });
  expect(
    await changeInstagramAccount(db, { accountId, id, autoReply: false, perPerson: { commentsADay: 3 } }),
  ).toMatchObject({
    state: 'paused',
    stateReason: 'Paused by its owner',
    autoReply: false,
    commentsADay: 3,
  });
  expect(await changeInstagramAccount(db, { accountId, id, isPaused: false })).toMatchObject({
    state: 'active',
    stateReason: null,
    autoReply: false,
    commentsADay: 3,
  });
});

it('keeps an account’s need of a login through every change', async () => {
  const { accountId, id, igUserId } = await connect();
  await requireLogin(db, igUserId, 'The token was revoked');
  for (const change of [{}, { isPaused: true }, { isPaused: false }, { autoReply: false }])
    expect(await changeInstagramAccount(db, { accountId, id, ...change })).toMatchObject({
      state: 'needs_login',
      stateReason: 'The token was revoked',
    });
});
