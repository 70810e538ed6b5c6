import { costlyQuestion, testPassword } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

const { ask, api, call, newPerson } = await startPlatform();
const operator = await newPerson({ role: 'operator' });
const tenant = await newPerson({ tokens: 10_000 });

const board = '/admin/queues';
const queues = `${board}/api/queues?activeQueue=ask-question&status=latest&page=1&jobsPerPage=25`;
const basic = (email: string, password = testPassword) => ({
  authorization: `Basic ${Buffer.from(`${email}:${password}`).toString('base64')}`,
});

describe('Bull Board', () => {
  it('requires a login on every page', async () => {
    for (const path of [board, `${board}/`, queues, `${board}/static/favicon.ico`, `${board}/queue/ask-question`]) {
      const answer = await call('GET', path);
      expect(answer).toMatchObject({ status: 401, body: { success: false, error_code: 'unauthenticated' } });
      expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    }
  });

  it('requires a login under other spellings of its path', async () => {
    for (const path of [
      '//admin/queues/api/queues',
      '/admin//queues',
      '/ADMIN/queues',
      '/admin/queues/../queues/api/queues',
      '/admin%2Fqueues',
      '/x/../admin/queues',
    ])
      expect([401, 404]).toContain((await call('GET', path)).status);
  });

  it('refuses wrong passwords, malformed headers and tenants', async () => {
    for (const headers of [
      basic(operator.email, 'wrong'),
      basic('nobody@example.com'),
      basic('a\0b@example.com'),
      { authorization: 'Basic' },
      { authorization: 'Basic !!!' },
      { authorization: `Basic ${Buffer.from('no colon').toString('base64')}` },
      { authorization: 'Bearer nonsense' },
    ])
      expect((await call('GET', board, { headers })).status).toBe(401);
    for (const options of [{ headers: basic(tenant.email) }, { token: tenant.token }])
      expect(await call('GET', queues, options)).toMatchObject({ status: 403, body: { error_code: 'forbidden' } });
  });

  it('accepts operators by Basic or bearer, and serves its files', async () => {
    for (const options of [{ headers: basic(operator.email) }, { token: operator.token }]) {
      const page = await call('GET', board, options);
      expect(page.status).toBe(200);
      expect(page.headers.get('content-type')).toContain('text/html');
      const files = [...page.text.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, file]) => file);
      expect(files.length).toBeGreaterThan(2);
      for (const file of files) expect((await call('GET', `${board}/${file}`, options)).status).toBe(200);
      const listed = await call<{ queues: { name: string }[] }>('GET', queues, options);
      expect(listed.body.queues.map(({ name }) => name)).toEqual([...api.services.queues.byTask.keys(), 'maintenance']);
    }
  });

  it('refuses the old password after a password change', async () => {
    const other = await newPerson({ role: 'operator' });
    expect((await call('GET', board, { headers: basic(other.email) })).status).toBe(200);
    const body = { current_password: testPassword, new_password: 'another password' };
    expect((await call('POST', '/api/accounts/password', { token: other.token, body })).status).toBe(200);
    expect((await call('GET', board, { headers: basic(other.email) })).status).toBe(401);
    expect((await call('GET', board, { headers: basic(other.email, 'another password') })).status).toBe(200);
  });

  it('shows job ids and no questions or answers', async () => {
    const text = 'Where did Wilhelmina hide the marzipan?';
    const job = await ask(tenant.token, text);
    const id = `${job.id}_1`;
    const shown = await call('GET', `${board}/api/queues/ask-question/${id}`, { token: operator.token });
    expect(shown.status).toBe(200);
    expect(shown.body).toMatchObject({ job: { id, data: { account_id: tenant.accountId } } });
    const listed = await call('GET', queues, { token: operator.token });
    expect(listed.text).toContain(id);
    expect(shown.text + listed.text).not.toMatch(/Wilhelmina|marzipan/i);
  });

  it('shows the error code of a failed job', async () => {
    const poor = await newPerson({ tokens: costlyQuestion.tokens });
    const job = await ask(poor.token, costlyQuestion.question);
    const shown = await call('GET', `${board}/api/queues/ask-question/${job.id}_1`, { token: operator.token });
    expect(shown.body).toMatchObject({ job: { failedReason: 'no_tokens_remaining' } });
  });

  it.each([
    ['another origin', { origin: 'https://evil.example' }],
    ['a null origin', { origin: 'null' }],
    ['another site’s page', { 'sec-fetch-site': 'cross-site' }],
    ['a page of a sibling host', { 'sec-fetch-site': 'same-site' }],
  ])('refuses requests from %s', async (_, headers) => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const path = `${board}/api/queues/ask-question/pause`;
      const answer = await call(method, path, { headers: { ...basic(operator.email), ...headers } });
      expect(answer).toMatchObject({ status: 403, body: { error_code: 'forbidden' } });
    }
  });

  it('refuses operators’ actions that Postgres would undo', async () => {
    const idle = await startPlatform({ worker: false }, onTestFinished);
    const owner = await idle.newPerson({ tokens: 1_000 });
    const { token } = await idle.newPerson({ role: 'operator' });
    const jobId = await idle.submit(owner.token, 'Still there?');
    const queue = `${board}/api/queues/ask-question`;
    const own = { origin: idle.url, 'sec-fetch-site': 'same-origin' };
    for (const [method, path] of [
      ['PUT', `${queue}/empty`],
      ['PUT', `${queue}/obliterate`],
      ['PUT', `${queue}/clean/wait`],
      ['PUT', `${queue}/retry/completed`],
      ['PUT', `${queue}/concurrency`],
      ['POST', `${queue}/add`],
      ['PUT', `${queue}/${jobId}_1/clean`],
      ['PATCH', `${queue}/${jobId}_1/update-data`],
      ['PUT', `${board}/api/queues/pause`],
    ] as const) {
      const answer = await idle.call(method, path, { token, headers: own, body: { name: 'x', data: {}, jobData: {} } });
      expect(answer).toMatchObject({ status: 403, body: { error_code: 'forbidden' } });
    }
    const [name] = idle.api.services.queues.byTask.keys();
    const kept = idle.api.services.queues.byTask.get(name ?? '');
    expect(await kept?.isPaused()).toBe(false);
    expect(await kept?.getJobCounts('wait', 'delayed', 'prioritized')).toMatchObject({ prioritized: 1 });
    const [job] = (await kept?.getJobs('prioritized')) ?? [];
    expect(job).toMatchObject({ id: `${jobId}_1`, data: { account_id: owner.accountId } });
  });
});
