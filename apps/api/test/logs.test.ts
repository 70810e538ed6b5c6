import { createLogger } from '@tally/core';
import { questionPath, testPassword } from '@tally/testing';
import { ownPostgres, startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

/** A logger at level trace, and everything that it wrote. */
function capture() {
  const lines: string[] = [];
  const log = createLogger('test', 'trace', { write: (line) => void lines.push(line) });
  return { log, lines, all: () => lines.join('') };
}

const secretText = 'Wilhelmina hid the marzipan';

describe('the log', () => {
  it('contains job ids and no secrets, questions or answers', async () => {
    const { log, lines, all } = capture();
    const { call, newPerson, poll, register, submit, config } = await startPlatform({ log }, onTestFinished);
    const { accountId, email, token } = await newPerson({ tokens: 20_000 });
    const operator = await newPerson({ role: 'operator' });
    const registered = await register('somebody@example.com', 'a password of somebody');
    const made = await call<{ api_key: { key: string } }>('POST', '/api/accounts/api-keys', {
      token,
      body: { name: 'x' },
    });
    await call('POST', '/api/knowledge', { token, body: { title: 'Sweets', text: `${secretText} in the attic.` } });
    const jobId = await submit(token, `Where is it that ${secretText}?`);
    const job = await poll(token, jobId);
    expect(job.result?.answer).toContain('attic');
    const body = { email, password: 'a wrong password' };
    await call('POST', '/api/accounts/login', { body });
    await call('POST', questionPath, { token, raw: `{"question": "${secretText}` });
    await call('POST', '/api/admin/grants', { token: operator.token, body: { email, tokens: 5, reason: secretText } });
    const basic = Buffer.from(`${operator.email}:${testPassword}`).toString('base64');
    await call('GET', '/admin/queues', { headers: { authorization: `Basic ${basic}` } });

    const transitions = lines.map((line) => JSON.parse(line)).filter((line) => line.job_id === jobId && line.status);
    expect(transitions.map(({ status }) => status)).toEqual(['queued', 'running', 'completed']);
    for (const line of transitions) expect(line.account_id).toBe(accountId);
    for (const secret of [
      testPassword,
      'a password of somebody',
      'a wrong password',
      token,
      registered,
      made.body.api_key.key,
      basic,
      config.jwtSecret,
      'marzipan',
      'attic',
      'argon2',
    ])
      expect(all()).not.toContain(secret);
  });

  it('contains no values of a failed SQL statement', async () => {
    const { log, all } = capture();
    const postgres = await ownPostgres();
    const { call, newPerson } = await startPlatform(
      { log, env: { DATABASE_URL: postgres.url }, worker: false },
      onTestFinished,
    );
    const { token } = await newPerson({ tokens: 1_000 });
    await postgres.stop('immediate');
    const register = { email: 'secretive@example.com', password: 'a password of somebody' };
    expect((await call('POST', '/api/accounts/register', { body: register })).status).toBe(503);
    expect((await call('POST', '/api/accounts/login', { body: register })).status).toBe(503);
    expect((await call('POST', questionPath, { token, body: { question: secretText } })).status).toBe(503);
    expect(all()).toContain('dependency away');
    for (const secret of ['argon2', 'secretive@example.com', 'a password of somebody', 'marzipan', token])
      expect(all()).not.toContain(secret);
  });

  it('has the client’s request id for an internal error', async () => {
    const { log, lines } = capture();
    const { api, call } = await startPlatform({ log, worker: false }, onTestFinished);
    await api.services.db.pool.query(
      `insert into accounts (id, email, password_hash) values (gen_random_uuid(), 'broken@example.com', 'no hash')`,
    );
    const body = { email: 'broken@example.com', password: 'whatever' };
    const broken = await call('POST', '/api/accounts/login', { body });
    expect(broken.status).toBe(500);
    const logged = lines.map((line) => JSON.parse(line)).find((line) => line.msg === 'request failed');
    expect(logged).toMatchObject({ request_id: broken.body.request_id, err: { stack: expect.any(String) } });
  });
});
