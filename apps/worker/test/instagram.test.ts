import { type Body, type Job, type Person, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { beforeEach, describe, expect, test } from 'vitest';

const platform = await startPlatform();
const { call, newPerson, sandbox } = platform;
const { instagram } = sandbox;

type Event = {
  kind: string;
  outcome: string;
  job_id: string | null;
  job_status: string | null;
  error_code: string | null;
};
type Account = { id: string; ig_user_id: string; state: string; state_reason: string | null; recent_events: Event[] };

let igCount = 0;
let igUserId: string;
let owner: Person;

/** Connects an account of its own for each test, with a workflow for every comment. */
beforeEach(async () => {
  igUserId = `1784140000000${String(++igCount).padStart(4, '0')}`;
  owner = await newPerson({ tokens: 10_000 });
  instagram.clear();
  const connected = await call('POST', '/api/instagram/accounts', {
    token: owner.token,
    body: {
      ig_user_id: igUserId,
      username: `shop${igCount}`,
      access_token: `token-${igCount}`,
      self_ig_scoped_id: `99${igCount}`,
    },
  });
  expect(connected.status).toBe(201);
  expect(connected.text).not.toContain(`token-${igCount}`);
  const workflow = { ig_user_id: igUserId, name: 'every comment' };
  expect((await call('POST', '/api/workflows', { token: owner.token, body: workflow })).status).toBe(201);
});

const account = async (): Promise<Account> => {
  const { body } = await call<{ accounts: Account[] }>('GET', '/api/instagram/accounts', { token: owner.token });
  const [first] = body.accounts;
  if (first === undefined) throw new Error('no account');
  return first;
};
const sends = () => instagram.sends.list({ ig_user_id: igUserId });
const fire = (input: Parameters<typeof instagram.fire>[0]) =>
  instagram.fire({ ig_user_id: igUserId, ...input } as never);
const lastEvent = async (): Promise<Event> => {
  const [event] = (await account()).recent_events;
  if (event === undefined) throw new Error('no event');
  return event;
};
/** Waits for the job of the latest event to end. */
const lastJob = async (): Promise<Job<Body>> => {
  const { job_id: jobId } = await lastEvent();
  if (jobId === null) throw new Error('the latest event caused no job');
  return platform.poll<Body>(owner.token, jobId, 60_000);
};

describe('comment', () => {
  test('gets one private reply, even if it is delivered twice', async () => {
    const extracted = { name: 'Aurora', price: 129 };
    await call('POST', '/api/knowledge', {
      token: owner.token,
      body: { title: 'Aurora lamp', text: 'The Aurora lamp costs 129 EUR.' },
    });
    const comment = { kind: 'comment', comment_id: '17870000000000001', text: 'How much is the Aurora lamp?' } as const;
    expect(await fire(comment)).toMatchObject({ status: 200 });
    const job = await lastJob();
    await fire(comment);
    expect(job).toMatchObject({ status: 'completed', task: 'instagram-dm', result: { sent: true } });
    // The second delivery was accepted and caused no job.
    const { rows } = await platform.api.services.db.pool.query('select status from jobs where account_id = $1', [
      owner.accountId,
    ]);
    expect(rows).toEqual([{ status: 'completed' }]);
    expect(sends()).toMatchObject([{ recipient: { comment_id: '17870000000000001' }, delivered: true }]);
    expect(sends()[0]?.text).toContain(`${extracted.price}`);
  });

  test('of the account itself is never answered', async () => {
    for (const from of [{ id: igUserId }, { id: `99${igCount}` }, { id: '1', username: `SHOP${igCount}` }])
      await fire({ kind: 'comment', from });
    expect((await account()).recent_events.map(({ outcome }) => outcome)).toEqual(Array(3).fill('own_comment'));
    expect(sends()).toEqual([]);
  });

  test('of an opted-out person is not answered until they write start', async () => {
    const from = { id: '555', username: 'quiet' };
    await fire({ kind: 'message', from, text: 'لغو' });
    await fire({ kind: 'comment', from, text: 'price?' });
    expect((await account()).recent_events.map(({ outcome }) => outcome)).toEqual(['opted_out', 'opted_out']);
    await fire({ kind: 'message', from, text: 'Start' });
    await fire({ kind: 'comment', from, text: 'price now?' });
    expect((await lastJob()).status).toBe('completed');
  });

  test('without tokens is not answered, and the owner sees why', async () => {
    const poor = await newPerson({ tokens: 1 });
    const ig = `${igUserId}9`;
    await call('POST', '/api/instagram/accounts', {
      token: poor.token,
      body: { ig_user_id: ig, username: 'poor', access_token: 't' },
    });
    await call('POST', '/api/workflows', { token: poor.token, body: { ig_user_id: ig, name: 'all' } });
    await fire({ kind: 'comment', ig_user_id: ig });
    await until(async () => {
      const { body } = await call<{ accounts: Account[] }>('GET', '/api/instagram/accounts', { token: poor.token });
      return body.accounts[0]?.recent_events[0]?.error_code === 'no_tokens_remaining';
    });
    expect(instagram.sends.list({ ig_user_id: ig })).toEqual([]);
  });
});

describe('limits per person', () => {
  const outcomes = async () =>
    (await account()).recent_events.map(({ outcome }) => outcome).filter((outcome) => outcome !== 'echo');

  test('stop replies to one person without affecting others', async () => {
    const from = { id: '777', username: 'many' };
    for (let i = 0; i < 7; i++)
      await fire({ kind: 'comment', comment_id: `1788${igCount}${i}`, from, text: `price ${i}?` });
    expect(await outcomes()).toEqual([...Array(2).fill('person_limit'), ...Array(5).fill('queued')]);
    await fire({
      kind: 'comment',
      comment_id: `1789${igCount}`,
      from: { id: '778', username: 'other' },
      text: 'price?',
    });
    expect((await outcomes())[0]).toBe('queued');
  });

  test('follow the owner’s settings', async () => {
    const { id } = await account();
    const path = `/api/instagram/accounts/${id}`;
    const changed = await call<{ account: { per_person: Record<string, number> } }>('PATCH', path, {
      token: owner.token,
      body: { per_person: { comments_a_day: 2, messages_an_hour: 1 } },
    });
    expect(changed.body.account.per_person).toEqual({
      comments_an_hour: 5,
      comments_a_day: 2,
      messages_an_hour: 1,
      messages_a_day: 200,
    });
    const from = { id: '779', username: 'many' };
    for (let i = 0; i < 3; i++) await fire({ kind: 'comment', comment_id: `1790${igCount}${i}`, from, text: 'price?' });
    for (let i = 0; i < 2; i++) await fire({ kind: 'message', from: { id: '780' }, text: `Hi ${i}` });
    const expected = ['person_limit', 'queued', 'person_limit', 'queued', 'queued'];
    expect(await outcomes()).toEqual(expected);
    expect(
      (await call('PATCH', path, { token: owner.token, body: { per_person: { comments_a_day: -1 } } })).status,
    ).toBe(400);
  });

  test('bound the stored events a day, but still obey a stop word', async () => {
    const from = { id: '781', username: 'flood' };
    await platform.api.services.db.pool.query(
      `insert into webhook_events (id, dedupe_key, ig_user_id, kind, person_id, outcome, payload, happened_at)
       select gen_random_uuid(), 'flood-' || n, $1, 'message', $2, 'no_workflow', '{}', now() from generate_series(1, 1000) n`,
      [igUserId, from.id],
    );
    await fire({ kind: 'message', from, text: 'One more' });
    await fire({ kind: 'message', from, text: 'stop' });
    expect((await account()).recent_events.map(({ outcome }) => outcome)).toEqual(['person_limit', 'person_limit']);
    const { rows } = await platform.api.services.db.pool.query(
      `select payload, (select is_opted_out from instagram_opt_outs where ig_user_id = $1 and person_id = $2)
       from webhook_events where ig_user_id = $1 and outcome = 'person_limit'`,
      [igUserId, from.id],
    );
    expect(rows).toEqual(Array(2).fill({ payload: null, is_opted_out: true }));
  });
});

describe('direct message', () => {
  test('is answered, and the echo is not stored as a human’s message', async () => {
    await fire({ kind: 'message', from: { id: '777' }, text: 'Hi there' });
    const job = await lastJob();
    expect(job).toMatchObject({ status: 'completed', task: 'customer-chat' });
    expect(sends()).toMatchObject([{ recipient: { id: '777' }, delivered: true }]);
    await until(async () => (await account()).recent_events.some(({ kind }) => kind === 'echo'));
    const id = job.result?.conversation_id;
    const { body } = await call<{ messages: Body[] }>('GET', `/api/chat/conversations/${id}`, { token: owner.token });
    expect(body.messages).toMatchObject([{ role: 'customer' }, { role: 'assistant', delivery: 'sent' }]);
  });

  test('that was unsent is not answered, in either order of events', async () => {
    await platform.stopWorkers();
    await fire({ kind: 'message', from: { id: '778' }, mid: 'mid-first', text: 'oops' });
    await fire({ kind: 'unsend', from: { id: '778' }, mid: 'mid-first' });
    await fire({ kind: 'unsend', from: { id: '779' }, mid: 'mid-second' });
    await fire({ kind: 'message', from: { id: '779' }, mid: 'mid-second', text: 'oops' });
    await platform.startWorker();
    await until(async () =>
      (await account()).recent_events.every(({ job_status }) => job_status === null || job_status === 'completed'),
    );
    expect(sends()).toEqual([]);
  });

  test('in a burst gets one reply', async () => {
    for (const text of ['hi', 'do you have', 'the blue one'])
      await fire({ kind: 'message', from: { id: '780' }, text });
    await until(
      async () => (await account()).recent_events.filter(({ job_status }) => job_status === 'completed').length === 3,
    );
    expect(sends()).toHaveLength(1);
  });
});

describe('Graph API error', () => {
  const classes = [
    { code: 10, subcode: 2534022, error_code: 'reply_window_closed', state: 'active' },
    { code: 551, subcode: 1545041, error_code: 'reply_window_closed', state: 'active' },
    { code: 100, subcode: 2534025, error_code: 'reply_window_closed', state: 'active' },
    { code: 10900, error_code: 'reply_window_closed', state: 'active' },
    { code: 190, error_code: 'account_paused', state: 'needs_login' },
    { code: 200, subcode: 2534041, error_code: 'account_paused', state: 'needs_login' },
    { code: 100, subcode: 2534037, error_code: 'blocked', state: 'active' },
    { code: 100, subcode: 33, error_code: 'internal', state: 'active' },
  ];
  test.each(classes)('$code/$subcode: job $error_code, account $state', async (given) => {
    instagram.faults.set([{ kind: 'error', code: given.code, ...(given.subcode && { subcode: given.subcode }) }]);
    await fire({ kind: 'comment' });
    expect(await lastJob()).toMatchObject({ status: 'failed', error_code: given.error_code });
    expect(sends()).toHaveLength(1);
    expect((await account()).state).toBe(given.state);
  });

  test.each([{ code: 613, subcode: 2534040 }, { code: 4 }, { status: 429, code: 80002 }])(
    '$code is retried later without another model call',
    async (given) => {
      instagram.faults.set([{ kind: 'error', ...given, times: 1 }]);
      await fire({ kind: 'comment' });
      expect(await lastJob()).toMatchObject({ status: 'completed', result: { sent: true } });
      expect(sends().map(({ outcome }) => outcome)).toEqual(['refused', 'delivered']);
      expect(sandbox.book.totals(owner.accountId).requests).toBe(1);
    },
  );

  test('with unknown outcome is resolved by the echo', async () => {
    instagram.faults.set([{ kind: 'reset_after_delivery', times: 1 }]);
    await fire({ kind: 'message', from: { id: '800' }, text: 'Hello' });
    expect(await lastJob()).toMatchObject({ status: 'completed' });
    expect(sends()).toHaveLength(1);
  });

  test('whose outcome stays unknown fails the job and is not resent', { timeout: 90_000 }, async () => {
    instagram.faults.set([{ kind: 'server_error', status: 503 }]);
    await fire({ kind: 'comment' });
    expect(await lastJob()).toMatchObject({ status: 'failed', error_code: 'send_uncertain' });
    expect(sends()).toHaveLength(1);
  });
});

describe('access token', () => {
  test('is verified with Instagram, and rejected for another account', async () => {
    const body = { ig_user_id: `${igUserId}7`, username: 'victim', access_token: 'not-mine' };
    instagram.faults.set([{ kind: 'error', code: 190, match: { call: 'account' } }]);
    const refused = await call('POST', '/api/instagram/accounts', { token: owner.token, body });
    expect(refused).toMatchObject({ status: 400, body: { error_code: 'invalid_input' } });
    instagram.faults.set([{ kind: 'server_error', match: { call: 'account' } }]);
    expect((await call('POST', '/api/instagram/accounts', { token: owner.token, body })).status).toBe(503);
    instagram.faults.clear();
    const odd = { ...body, access_token: 'two words' };
    expect((await call('POST', '/api/instagram/accounts', { token: owner.token, body: odd })).status).toBe(400);
    expect((await call('POST', '/api/instagram/accounts', { token: owner.token, body })).status).toBe(201);
  });
});

describe('change during the model call', () => {
  /** Fires messages, and runs `change` once the model is called. */
  async function during(texts: string[], change: () => Promise<unknown>): Promise<void> {
    sandbox.settings.current = { ...sandbox.settings.current, delay_ms: 800 };
    for (const [i, text] of texts.entries())
      await fire({ kind: 'message', from: { id: '900' }, mid: `${igUserId}-m${i}`, text });
    await until(() => sandbox.book.totals(owner.accountId).requests === 1);
    await change();
    sandbox.settings.current = { ...sandbox.settings.current, delay_ms: 0 };
    await until(async () =>
      (await account()).recent_events.every(({ job_status: status }) => status === null || status === 'completed'),
    );
  }

  test('an unsent message is not answered with the others', async () => {
    const text = 'You have 30 days to return a lamp.';
    await call('POST', '/api/knowledge', { token: owner.token, body: { title: 'Returns', text } });
    await during(['hello', 'How many days to return a lamp?'], () =>
      fire({ kind: 'unsend', from: { id: '900' }, mid: `${igUserId}-m1` }),
    );
    expect(sends()).toHaveLength(1);
    expect(sends()[0]?.text).not.toContain('30 days');
  });

  test('an edited message is answered in its new form', async () => {
    const text = 'The Aurora costs 129 EUR.';
    await call('POST', '/api/knowledge', { token: owner.token, body: { title: 'Aurora', text } });
    await during(['hello'], () =>
      fire({ kind: 'edit', from: { id: '900' }, mid: `${igUserId}-m0`, text: 'What does the Aurora cost?' }),
    );
    expect(sends()).toHaveLength(1);
    expect(sends()[0]?.text).toContain('129 EUR');
  });

  test('a conversation paused for a human gets no reply', async () => {
    await during(['hello'], async () => {
      const { body } = await call<{ conversations: { id: string }[] }>('GET', '/api/chat/conversations', {
        token: owner.token,
      });
      await call('POST', `/api/chat/conversations/${body.conversations[0]?.id}/pause`, { token: owner.token });
    });
    expect(sends()).toEqual([]);
  });

  test('a message that the model refuses leaves its conversation usable', async () => {
    sandbox.faults.set([{ kind: 'refusal', match: { contains: 'POISON' } }]);
    await fire({ kind: 'message', from: { id: '901' }, text: 'POISON please' });
    expect(await lastJob()).toMatchObject({ status: 'failed', error_code: 'model_refused' });
    await fire({ kind: 'message', from: { id: '901' }, text: 'hello' });
    expect(await lastJob()).toMatchObject({ status: 'completed' });
    sandbox.faults.clear();
  });
});

describe('another tenant', () => {
  test('can’t connect a connected account or answer its comments', async () => {
    const otherTenant = await newPerson({ tokens: 1_000 });
    const body = { ig_user_id: igUserId, username: 'thief', access_token: 'x' };
    expect((await call('POST', '/api/instagram/accounts', { token: otherTenant.token, body })).status).toBe(409);
    const reply = { ig_user_id: igUserId, comment_id: '1', text: 'Hello' };
    const job = await platform.run(otherTenant.token, '/api/workflow/instagram-dm', reply);
    expect(job).toMatchObject({ status: 'failed', error_code: 'not_found' });
    expect(sends()).toEqual([]);
  });
});
