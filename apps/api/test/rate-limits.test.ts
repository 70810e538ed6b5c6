import { type Answer, questionPath, testPassword, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

const env = { LIMIT_SUBMISSIONS_PER_MINUTE: '3', LIMIT_READS_PER_MINUTE: '20' };
const { call, newPerson, login } = await startPlatform({ env, worker: false });

const tryLogin = (email: string, password: string) =>
  call('POST', '/api/accounts/login', { body: { email, password } });

function expectRateLimited({ status, headers, body }: Answer, maxSeconds: number) {
  expect(status).toBe(429);
  expect(body).toEqual({
    success: false,
    error: expect.any(String),
    error_code: 'rate_limited',
    request_id: expect.any(String),
  });
  const seconds = Number(headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(maxSeconds);
}

describe('task submissions', () => {
  it('return 429 beyond the account’s limit per minute', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const other = await newPerson({ tokens: 10_000 });
    const ask = (as: string) => call('POST', questionPath, { token: as, body: { question: 'How many?' } });
    const statuses = (await Promise.all([1, 2, 3, 4, 5].map(() => ask(token)))).map(({ status }) => status);
    expect(statuses.sort()).toEqual([202, 202, 202, 429, 429]);
    expectRateLimited(await ask(token), 60);
    expect((await ask(other.token)).status).toBe(202);
    expect((await call('GET', '/api/jobs', { token })).status).toBe(200);
  });
});

describe('an account’s backlog', () => {
  it('is limited, and a cancelled job frees its place', async () => {
    const full = { LIMIT_SUBMISSIONS_PER_MINUTE: '0', LIMIT_QUEUED_JOBS: '5' };
    const idle = await startPlatform({ env: full, worker: false }, onTestFinished);
    const [{ token }, other] = [await idle.newPerson({ tokens: 10_000 }), await idle.newPerson({ tokens: 10_000 })];
    const ask = (as: string, headers = {}) =>
      idle.call('POST', questionPath, { token: as, body: { question: 'How many?' }, headers });
    const first = await ask(token, { 'idempotency-key': 'first' });
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(token)));
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 202, 202, 202, 429, 429, 429, 429]);
    expectRateLimited(await ask(token), 1);
    expect((await ask(other.token)).status).toBe(202);
    // A replay of an accepted request is still accepted.
    expect(await ask(token, { 'idempotency-key': 'first' })).toMatchObject({ status: 202, body: first.body });
    await idle.call('DELETE', `/api/jobs/${first.body.job_id}`, { token });
    await until(async () => (await ask(token)).status === 202, 2_000);
    expectRateLimited(await ask(token), 1);
  });
});

describe('all other requests', () => {
  it('share one limit of reads and writes', async () => {
    const { token } = await newPerson();
    for (let i = 0; i < 10; i++) {
      expect((await call('GET', '/api/accounts/profile', { token })).status).toBe(200);
      expect((await call('DELETE', '/api/knowledge/1', { token })).status).toBe(404);
    }
    expectRateLimited(await call('GET', '/api/billing/overview', { token }), 60);
    expectRateLimited(await call('POST', '/api/knowledge', { token, body: { title: 'x', text: 'y' } }), 60);
  });
});

describe('failed logins', () => {
  it('return 429 after ten, also with the right password', async () => {
    const { email } = await newPerson();
    for (let i = 0; i < 10; i++) expect((await tryLogin(email, `guess ${i}`)).status).toBe(401);
    expectRateLimited(await tryLogin(email, 'guess 11'), 900);
    expectRateLimited(await tryLogin(email.toUpperCase(), testPassword), 900);
  });

  it('are counted for unknown e-mail addresses, too', async () => {
    for (let i = 0; i < 10; i++) expect((await tryLogin('ghost@example.com', 'boo')).status).toBe(401);
    expectRateLimited(await tryLogin('ghost@example.com', 'boo'), 900);
  });

  it('are reset by the right password', async () => {
    const { email } = await newPerson();
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 6; i++) expect((await tryLogin(email, 'wrong')).status).toBe(401);
      await login(email);
    }
  });

  it('are limited to ten among 25 concurrent guesses', async () => {
    const { email } = await newPerson();
    const all = await Promise.all(Array.from({ length: 25 }, (_, i) => tryLogin(email, `guess ${i}`)));
    expect(all.filter(({ status }) => status === 401)).toHaveLength(10);
    expect(all.filter(({ status }) => status === 429)).toHaveLength(15);
  });

  it('do not include fifteen concurrent right ones', async () => {
    const { email } = await newPerson();
    await Promise.all(Array.from({ length: 15 }, () => login(email)));
  });

  it('include guesses at the current password with a token', async () => {
    const { token } = await newPerson();
    const guess = (i: number) =>
      call('POST', '/api/accounts/password', {
        token,
        body: { current_password: `guess ${i}`, new_password: 'taken over' },
      });
    for (let i = 0; i < 10; i++) expect((await guess(i)).status).toBe(401);
    expectRateLimited(await guess(10), 900);
  });
});
