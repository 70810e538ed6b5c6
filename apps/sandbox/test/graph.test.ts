import { describe, expect, test } from 'vitest';
import { createSends } from '../src/instagram/sends.ts';
import { mina, shopId, useInstagram } from './instagram-fixture.ts';

const { control, graph, lastSend, sandbox, send } = useInstagram();
const asOwner = { headers: { authorization: 'Bearer token-abcd' } };

describe('a direct message', () => {
  test('is delivered and written into the record', async () => {
    const { status, body } = await send({ id: mina.id }, 'سلام، ۱۲۹ یورو است.');
    expect({ status, body }).toEqual({
      status: 200,
      body: { recipient_id: mina.id, message_id: expect.stringMatching(/^aWdf\w+ZD$/) },
    });
    expect(await control('GET', 'instagram/sends')).toEqual({
      sends: [
        {
          seq: expect.any(Number),
          at: expect.any(String),
          ig_user_id: shopId,
          recipient: { id: mina.id },
          text: 'سلام، ۱۲۹ یورو است.',
          token_hint: 'abcd',
          status: 200,
          message_id: body.message_id,
          delivered: true,
          error: null,
          fault: null,
          outcome: 'delivered',
        },
      ],
      next_after: null,
    });
  });

  test('has an id of its own each time', async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, (_, turn) => send({ id: mina.id }, `Hi ${turn}`)));
    expect(new Set(answers.map(({ body }) => body.message_id)).size).toBe(30);
  });

  test('is read under a path with a version, too', async () => {
    const { status } = await graph(`v26.0/${shopId}/messages`, {
      method: 'POST',
      headers: { authorization: 'Bearer t' },
      body: JSON.stringify({ recipient: { id: mina.id }, message: { text: 'Hi' } }),
    });
    expect(status).toBe(200);
  });

  test('may have 1,000 bytes and no more', async () => {
    expect((await send({ id: mina.id }, 'س'.repeat(500))).status).toBe(200);
    const { status, body } = await send({ id: mina.id }, `${'س'.repeat(500)}!`);
    expect({ status, code: body.error.code }).toEqual({ status: 400, code: 100 });
    expect(lastSend()).toMatchObject({ outcome: 'refused', delivered: false, message_id: null, error: { code: 100 } });
  });

  test('without a token is refused as Meta refuses it', async () => {
    const { status, body } = await graph(`${shopId}/messages`, {
      method: 'POST',
      body: JSON.stringify({ recipient: { id: mina.id }, message: { text: 'Hi' } }),
    });
    expect(status).toBe(400);
    expect(body).toEqual({
      error: { message: expect.any(String), type: 'OAuthException', code: 190, fbtrace_id: expect.any(String) },
    });
    expect(lastSend()).toMatchObject({ outcome: 'refused', token_hint: null });
  });

  test.each([
    ['no recipient', { message: { text: 'Hi' } }],
    ['two recipients', { recipient: { id: '1', comment_id: '2' }, message: { text: 'Hi' } }],
    ['an id that is a number', { recipient: { id: 1254459154682919 }, message: { text: 'Hi' } }],
    ['no text', { recipient: { id: '1' }, message: { text: '' } }],
    ['an unknown message', { recipient: { id: '1' }, message: { sticker: 'like' } }],
  ])('of an unknown shape is refused: %s', async (_, body) => {
    const answer = await graph(`${shopId}/messages`, { method: 'POST', ...asOwner, body: JSON.stringify(body) });
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 100 } } });
    expect(sandbox.instagram.sends.list()).toHaveLength(1);
  });
});

describe('a private reply', () => {
  test('goes to whoever wrote the comment, once', async () => {
    const { comment_id } = await sandbox.instagram.fire({ kind: 'comment', ig_user_id: shopId, from: mina });
    expect((await send({ comment_id }, 'It costs 129 EUR.')).body.recipient_id).toBe(mina.id);
    const again = await send({ comment_id }, 'It costs 129 EUR.');
    expect(again).toMatchObject({ status: 400, body: { error: { code: 10900 } } });
    expect(sandbox.instagram.sends.list().map(({ outcome }) => outcome)).toEqual(['delivered', 'refused']);
  });

  test('is delivered once though it is asked for many times at once', async () => {
    const recipient = { comment_id: '17870913679150009' };
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(recipient, 'Hi')));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test('to a comment that the sandbox never saw goes to somebody who is always the same', async () => {
    const one = await send({ comment_id: '17870913679150001' }, 'Hi');
    sandbox.instagram.clear();
    expect((await send({ comment_id: '17870913679150001' }, 'Hi')).body.recipient_id).toBe(one.body.recipient_id);
    expect(one.body.recipient_id).toMatch(/^\d{16}$/);
  });
});

describe('the record of sends', () => {
  test('comes in pages, by account, and is empty after DELETE', async () => {
    for (const text of ['one', 'two', 'three']) await send({ id: mina.id }, text);
    const [first] = sandbox.instagram.sends.list();
    expect(await control('GET', `instagram/sends?after=${first?.seq}&ig_user_id=${shopId}`)).toMatchObject({
      sends: [{ text: 'two' }, { text: 'three' }],
    });
    expect(await control('GET', 'instagram/sends?ig_user_id=17841462219980731')).toMatchObject({ sends: [] });
    expect(await control('DELETE', 'instagram/sends')).toMatchObject({ sends: [] });
    expect(await control('GET', 'instagram/sends')).toMatchObject({ sends: [] });
  });
});

test('a full record forgets its oldest sends', () => {
  const sends = createSends(10);
  for (let turn = 0; turn < 35; turn += 1)
    sends.open({ ig_user_id: shopId, recipient: mina, text: `Hi ${turn}`, token_hint: null });
  expect(sends.list().map(({ seq }) => seq)).toEqual([26, 27, 28, 29, 30, 31, 32, 33, 34, 35]);
  expect(sends.list({ after: 33 })).toHaveLength(2);
});

describe('a conversation', () => {
  test('lists what was said in it, newest first', async () => {
    const { mid } = await sandbox.instagram.fire({ kind: 'message', ig_user_id: shopId, from: mina, text: 'Price?' });
    const { body: sent } = await send({ id: mina.id }, '129 EUR');
    const { body } = await graph(`${shopId}/conversations?user_id=${mina.id}&fields=messages{id,message}`, asOwner);
    expect(body.data).toHaveLength(1);
    expect(body.data[0]?.messages.data).toEqual([
      {
        id: sent.message_id,
        message: '129 EUR',
        from: { id: shopId, username: expect.any(String) },
        to: { data: [mina] },
        created_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000$/),
      },
      expect.objectContaining({ id: mid, message: 'Price?', from: mina }),
    ]);
  });

  test('is not there for somebody who never wrote', async () => {
    expect((await graph(`${shopId}/conversations?user_id=42`, asOwner)).body).toEqual({ data: [] });
  });

  test('needs a token', async () => {
    expect((await graph(`${shopId}/conversations`)).body.error.code).toBe(190);
  });
});

describe('an account', () => {
  test('says who it is, by id and as me', async () => {
    const expected = { id: shopId, user_id: shopId, username: 'ig_211844' };
    expect((await graph(`${shopId}?fields=id,user_id,username`, asOwner)).body).toEqual(expected);
    expect((await graph(`me?fields=user_id,username&access_token=IGAA${shopId}x`)).body).toEqual(expected);
  });

  test('gets a new token for its old one', async () => {
    const query = `grant_type=ig_refresh_token&access_token=IGAA${shopId}x`;
    const { body } = await graph(`v26.0/refresh_access_token?${query}`);
    expect(body).toEqual({ access_token: expect.any(String), token_type: 'bearer', expires_in: 5_184_000 });
    expect((await graph(`me?access_token=${body.access_token}`)).body.user_id).toBe(shopId);
    expect((await graph(`refresh_access_token?access_token=x`)).body.error.code).toBe(100);
    expect((await graph(`refresh_access_token?grant_type=ig_refresh_token`)).body.error.code).toBe(190);
  });
});

test('a path that nobody knows is an error in the shape of the API', async () => {
  expect(await graph(`${shopId}/insights`, asOwner)).toMatchObject({ status: 400, body: { error: { code: 100 } } });
});

describe('subscribed_apps', () => {
  test('subscribes an account to fields, shows them and ends it', async () => {
    const edge = `${shopId}/subscribed_apps`;
    const shown = async () => (await graph(edge, asOwner)).body;
    expect((await graph(`${edge}?subscribed_fields=comments,messages`, { method: 'POST', ...asOwner })).body).toEqual({
      success: true,
    });
    expect(await shown()).toEqual({ data: [{ id: 'the-app', subscribed_fields: ['comments', 'messages'] }] });
    expect((await graph(edge, { method: 'DELETE', ...asOwner })).body).toEqual({ success: true });
    expect(await shown()).toEqual({ data: [] });
  });

  test.each(['', '?subscribed_fields=', '?subscribed_fields=feed', '?subscribed_fields=comments,nonsense'])(
    'refuses fields that Instagram does not have: %j',
    async (query) => {
      const answer = await graph(`${shopId}/subscribed_apps${query}`, { method: 'POST', ...asOwner });
      expect(answer).toMatchObject({ status: 400, body: { error: { code: 100 } } });
      expect((await graph(`${shopId}/subscribed_apps`, asOwner)).body).toEqual({ data: [] });
    },
  );
});
