import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Body, Person } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { checkInstagramToken } from '../src/instagram/check-token.ts';
import { subscribeToWebhooks } from '../src/instagram/webhook-subscription.ts';

const igUserId = '17841405309211844';
const path = '/api/instagram/accounts';

describe('checkInstagramToken', () => {
  /** Sends the test's response for the fake Graph API. */
  let respond: (response: ServerResponse) => void;
  const server = createServer((_, response) => respond(response)).listen(0, '127.0.0.1');
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const check = (timeoutMs?: number) =>
    checkInstagramToken(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      igUserId,
      accessToken: 'token',
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
  const answer = (status: number, body: unknown, headers: Record<string, string> = {}) => {
    respond = (response) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
  };

  it.each([
    ['as user_id', { id: '2601', user_id: igUserId, username: 'lamps' }],
    ['as id', { id: igUserId, username: 'lamps' }],
  ])('accepts the account’s id %s', async (_, body) => {
    answer(200, body);
    await check();
  });

  it.each([
    ['a 404 without a code', 404, { error: { message: 'Not found' } }],
    ['a 404 without a body', 404, ''],
    ['an HTML page', 200, '<!doctype html><title>Log in</title>'],
    ['an HTML 404', 404, '<h1>Not found</h1>'],
    ['a redirect with a valid body', 302, { id: igUserId, username: 'lamps' }],
    ['an empty 200', 200, ''],
    ['an empty object', 200, {}],
    ['a list', 200, [igUserId]],
    ['another account', 200, { id: '2601', user_id: '17841400000000009', username: 'lamps' }],
    ['a numeric id', 200, `{"user_id":${igUserId},"username":"lamps"}`],
    ['no username', 200, { user_id: igUserId }],
    ['an empty username', 200, { user_id: igUserId, username: '' }],
    ['the account with a status other than 200', 201, { user_id: igUserId, username: 'lamps' }],
    ['an invalid token', 401, { error: { code: 190 } }],
    ['a missing permission', 403, { error: { code: 10 } }],
    ['an unknown object', 400, { error: { code: 100, error_subcode: 33 } }],
  ])('refuses the token on %s', async (_, status, body) => {
    answer(status, body, { location: '/elsewhere' });
    await expect(check()).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringMatching(/did not confirm/),
    });
  });

  it.each([
    ['a 502 with an HTML page', 502, '<h1>Bad Gateway</h1>'],
    ['Meta’s temporary error', 500, { error: { code: 2 } }],
    ['a transient error with another status', 400, { error: { code: 100, is_transient: true } }],
    ['the app’s rate limit', 400, { error: { code: 4 } }],
    ['a 429', 429, ''],
  ])('is retryable after %s', async (_, status, body) => {
    answer(status, body);
    await expect(check()).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: expect.any(Number) });
  });

  it.each([
    ['a broken connection', (response: ServerResponse) => void response.socket?.destroy()],
    ['a timeout', () => undefined],
  ])('is retryable after %s', async (_, how) => {
    respond = how;
    await expect(check(200)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('subscribes nothing on a truncated body', async () => {
    respond = (response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"success":true');
      response.socket?.end();
    };
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await subscribeToWebhooks(url, { igUserId, accessToken: 'token' })).toMatchObject({ fields: [] });
  });
});

describe('POST /api/instagram/accounts', async () => {
  const { call, newPerson, sandbox } = await startPlatform({ worker: false });
  const { instagram } = sandbox;
  type Account = { id: string; webhooks: { subscribed: boolean; fields: string[]; reason: string | null } };
  let owner: Person;
  beforeEach(async () => {
    owner = await newPerson();
    instagram.clear();
    account = {
      ig_user_id: `178414053092${String(++count).padStart(5, '0')}`,
      username: 'lamps',
      access_token: 'token',
    };
  });
  let count = 0;
  let account: { ig_user_id: string; username: string; access_token: string };
  const connect = () => call<{ account: Account }>('POST', path, { token: owner.token, body: account });
  const shown = async () => {
    const { body } = await call<{ accounts: Account[] }>('GET', path, { token: owner.token });
    return body.accounts[0];
  };
  const fields = ['comments', 'live_comments', 'messages'];

  it('subscribes the account to webhooks and shows the fields', async () => {
    const { status, body } = await connect();
    expect({ status, webhooks: body.account.webhooks }).toEqual({
      status: 201,
      webhooks: { subscribed: true, fields, reason: null },
    });
    expect(instagram.subscriptions.get(account.ig_user_id)).toEqual(fields);
    expect((await shown())?.webhooks).toEqual({ subscribed: true, fields, reason: null });
  });

  it.each([
    [{ kind: 'error', code: 200 } as const, /code 200: the app or the login lacks a permission/],
    [{ kind: 'error', code: 190, subcode: 463 } as const, /code 190\/463: the token is not valid/],
    [{ kind: 'server_error' } as const, /answered 500/],
    [{ kind: 'html', status: 404 } as const, /404 with something other than JSON/],
    [{ kind: 'invalid_json' } as const, /200 with something other than JSON/],
    [{ kind: 'reset' } as const, /does not answer/],
  ])('stores the account with Meta’s refusal of webhooks: %j', async (fault, reason) => {
    instagram.faults.set([{ ...fault, match: { call: 'subscribed_apps' } }]);
    const { status, body } = await connect();
    expect(status).toBe(201);
    const webhooks = { subscribed: false, fields: [], reason: expect.stringMatching(reason) };
    expect(body.account.webhooks).toEqual(webhooks);
    expect((await shown())?.webhooks).toEqual(webhooks);
    instagram.faults.clear();
    expect((await connect()).body.account.webhooks).toEqual({ subscribed: true, fields, reason: null });
    expect((await shown())?.webhooks).toEqual({ subscribed: true, fields, reason: null });
  });

  it('stores and subscribes nothing where the token is refused', async () => {
    instagram.faults.set([{ kind: 'error', code: 190, match: { call: 'account' } }]);
    expect(await connect()).toMatchObject({ status: 400, body: { error_code: 'invalid_input' } });
    expect(await shown()).toBeUndefined();
    expect(instagram.subscriptions.size).toBe(0);
  });

  it('ends the webhooks of a disconnected account', async () => {
    const { body } = await connect();
    expect((await call('DELETE', `${path}/${body.account.id}`, { token: owner.token })).status).toBe(200);
    expect(instagram.subscriptions.size).toBe(0);
  });

  it('disconnects also where Meta refuses to end the webhooks', async () => {
    const { body } = await connect();
    instagram.faults.set([{ kind: 'error', code: 190, match: { call: 'subscribed_apps' } }]);
    const gone = await call<Body>('DELETE', `${path}/${body.account.id}`, { token: owner.token });
    expect(gone.status).toBe(200);
    expect(await shown()).toBeUndefined();
  });

  it('subscribes nothing for another tenant’s account', async () => {
    await connect();
    instagram.subscriptions.clear();
    const otherTenant = await newPerson();
    expect((await call('POST', path, { token: otherTenant.token, body: account })).status).toBe(409);
    expect(instagram.subscriptions.size).toBe(0);
  });
});
