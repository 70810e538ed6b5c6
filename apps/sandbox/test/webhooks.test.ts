import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { appSecret, mina, shopId, useInstagram } from './instagram-fixture.ts';

const { answerWith, control, received, sandbox, send, url } = useInstagram();
const fire = (event: object): Promise<Record<string, unknown>> =>
  control('POST', 'instagram/fire', event) as Promise<Record<string, unknown>>;
const messaging = (): unknown => JSON.parse(received.at(-1)?.body ?? '').entry[0].messaging[0];
const change = (): unknown => JSON.parse(received.at(-1)?.body ?? '').entry[0].changes[0];

describe('a webhook', () => {
  test('is signed over the bytes that were sent, which are ASCII', async () => {
    await fire({ kind: 'comment', ig_user_id: shopId, from: mina, text: 'سلام، قیمت؟ 👟 https://a.test/b' });
    const [{ body, signature } = { body: '', signature: '' }] = received;
    expect(body).toMatch(/^[ -~]+$/);
    expect(body).toContain('\\u0633\\u0644\\u0627\\u0645');
    expect(body).toContain('\\ud83d\\udc5f https:\\/\\/a.test\\/b');
    expect(signature).toBe(`sha256=${createHmac('sha256', appSecret).update(body).digest('hex')}`);
    expect(JSON.parse(body).entry[0].changes[0].value.text).toBe('سلام، قیمت؟ 👟 https://a.test/b');
  });

  test('can have a wrong signature, or none', async () => {
    await fire({ kind: 'message', signature: 'wrong' });
    await fire({ kind: 'message', signature: 'none' });
    const [wrong, none] = received;
    expect(wrong?.signature).toMatch(/^sha256=[0-9a-f]{64}$/);
    expect(wrong?.signature).not.toBe(
      `sha256=${createHmac('sha256', appSecret)
        .update(wrong?.body ?? '')
        .digest('hex')}`,
    );
    expect(none?.signature).toBeUndefined();
  });

  test('brings back what its receiver answered', async () => {
    answerWith(503);
    expect(await fire({ kind: 'comment', comment_id: '17870913679150001' })).toMatchObject({
      status: 503,
      body: 'EVENT_RECEIVED',
      comment_id: '17870913679150001',
      mid: null,
      payload: { object: 'instagram' },
    });
  });

  test('that reaches nobody says why', async () => {
    await control('PUT', 'instagram/settings', { webhook_url: 'http://127.0.0.1:1/' });
    expect(await fire({ kind: 'message' })).toMatchObject({ status: null, body: 'bad port' });
    await control('PUT', 'instagram/settings', { webhook_url: null });
    expect(await fire({ kind: 'message' })).toMatchObject({ status: null, body: expect.stringContaining('settings') });
  });
});

describe('an event', () => {
  test('that is a comment is dated in seconds, and has the form asked for', async () => {
    const event = { kind: 'comment', from: mina, text: 'LINK', comment_id: '17870913679150002', timestamp_ms: 1_795e9 };
    await fire({ ...event, parent_id: '17870913679150001', media_id: '18050310947720003' });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({
      entry: [
        {
          id: shopId,
          time: 1_795_000_000,
          changes: [
            {
              value: {
                from: mina,
                media: { id: '18050310947720003', media_product_type: 'FEED' },
                id: '17870913679150002',
                parent_id: '17870913679150001',
                text: 'LINK',
              },
              field: 'comments',
            },
          ],
        },
      ],
      object: 'instagram',
    });
    await fire({ ...event, form: 'flat' });
    expect(JSON.parse(received[1]?.body ?? '').entry[0]).toMatchObject({ field: 'comments', value: { text: 'LINK' } });
  });

  test('that is a message is dated in milliseconds', async () => {
    const { mid } = await fire({ kind: 'message', from: mina, text: 'Hi', timestamp_ms: 1_795e9, payload: 'MORE' });
    expect(messaging()).toEqual({
      sender: { id: mina.id },
      recipient: { id: shopId },
      timestamp: 1_795e9,
      message: { mid, text: 'Hi', quick_reply: { payload: 'MORE' } },
    });
  });

  test.each([
    ['postback', { payload: 'GO' }, { postback: { mid: 'm', title: 'Get started', payload: 'GO' } }],
    ['reaction', {}, { reaction: { mid: 'm', action: 'react', reaction: 'love', emoji: '❤️' } }],
    ['reaction', { action: 'unreact' }, { reaction: { mid: 'm', action: 'unreact' } }],
    ['read', {}, { read: { mid: 'm' } }],
    ['unsend', {}, { message: { mid: 'm', is_deleted: true } }],
    ['edit', { text: 'In L?', num_edit: 2 }, { message_edit: { mid: 'm', text: 'In L?', num_edit: 2 } }],
    [
      'story_mention',
      {},
      { message: { mid: 'm', attachments: [{ type: 'story_mention', payload: expect.anything() }] } },
    ],
  ])('of another kind has its own part: %s', async (kind, more, part) => {
    await fire({ kind, mid: 'm', ...more });
    expect(messaging()).toMatchObject({ sender: { id: mina.id }, ...part });
  });

  test('that is an echo comes from the account', async () => {
    await fire({ kind: 'echo', from: mina, mid: 'm', text: 'Hi' });
    expect(messaging()).toMatchObject({
      sender: { id: shopId },
      recipient: { id: mina.id },
      message: { mid: 'm', text: 'Hi', is_echo: true },
    });
  });

  test('that is a live comment has a field of its own', async () => {
    await fire({ kind: 'live_comment', text: 'Still there?' });
    expect(change()).toMatchObject({ field: 'live_comments', value: { media: { media_product_type: 'LIVE' } } });
  });

  test('that is raw is sent as it is', async () => {
    await fire({ kind: 'raw', payload: '{"entry": [' });
    await fire({ kind: 'raw', payload: { object: 'page', entry: [] } });
    expect(received.map(({ body }) => body)).toEqual(['{"entry": [', '{"object":"page","entry":[]}']);
  });

  test('of a kind that nobody knows is refused, as is one that another site fires', async () => {
    const address = `${url()}/sandbox/instagram/fire`;
    expect((await fetch(address, { method: 'POST', body: '{"kind":"poke"}' })).status).toBe(400);
    const headers = { 'sec-fetch-site': 'cross-site' };
    expect((await fetch(address, { method: 'POST', headers, body: '{"kind":"read"}' })).status).toBe(403);
    expect(received).toEqual([]);
  });
});

describe('an echo', () => {
  test('announces what was delivered, after a while', async () => {
    await control('PUT', 'instagram/settings', { echo: true, echo_delay_ms: 20 });
    const { body } = await send({ id: mina.id }, '129 EUR');
    expect(received).toEqual([]);
    await expect.poll(() => received.length).toBe(1);
    expect(messaging()).toMatchObject({
      sender: { id: shopId },
      recipient: { id: mina.id },
      message: { mid: body.message_id, text: '129 EUR', is_echo: true },
    });
  });

  test('does not announce what was refused', async () => {
    await control('PUT', 'instagram/settings', { echo: true });
    await send({ id: mina.id }, 'x'.repeat(1_001));
    await send({ id: mina.id }, 'Hi');
    await expect.poll(() => received.length).toBe(1);
    expect(sandbox.instagram.sends.list()).toHaveLength(2);
  });
});

test('settings change one by one, and never show the secret', async () => {
  const changed = await control('PUT', 'instagram/settings', { echo_delay_ms: 5, app_secret: 'another' });
  expect(changed).toMatchObject({ echo: false, echo_delay_ms: 5, app_secret_set: true });
  expect(JSON.stringify(changed)).not.toContain('another');
  await fire({ kind: 'read' });
  const [{ body, signature } = { body: '', signature: '' }] = received;
  expect(signature).toBe(`sha256=${createHmac('sha256', 'another').update(body).digest('hex')}`);
  const empty = await fetch(`${url()}/sandbox/instagram/settings`, { method: 'PUT', body: '{"app_secret":""}' });
  expect(empty.status).toBe(400);
});

test('the page to do all this by hand needs nothing from elsewhere', async () => {
  const page = await (await fetch(`${url()}/sandbox/instagram`)).text();
  expect(page).toContain('<form id="fire">');
  expect(page).not.toMatch(/(?:src|href)="https?:/);
});
