/** Logs contain ids, but no secrets and no user text, after successes and failures of all kinds. */
import { createHmac } from 'node:crypto';
import { createLogger } from '@tally/core';
import { type Body, instagramSecret, testPassword, until } from '@tally/testing';
import { startPlatform, startScriptedModel } from '@tally/testing/vitest';
import { afterEach, describe, expect, it, vi } from 'vitest';

const lines: string[] = [];
const log = createLogger('test', 'trace', { write: (line) => void lines.push(line) });
const consoleSpies = (['log', 'info', 'warn', 'error', 'debug'] as const).map((name) =>
  vi.spyOn(console, name).mockImplementation((...words) => void lines.push(words.map(String).join(' '))),
);
const secrets = {
  OPENAI_API_KEY: 'sk-model-key-0123456789abcdef',
  JWT_SECRET: 'jwt-secret-0123456789-0123456789-0123',
  ENCRYPTION_KEY: 'ab12'.repeat(16),
  INSTAGRAM_VERIFY_TOKEN: 'verify-token-0123456789',
};
/** Matches a word of every text that these tests send, even if it is split or escaped. */
const userText = /w\W{0,8}i\W{0,8}l\W{0,8}helmina|marzipan|ویلهلمینا/i;
const text = 'Wilhelmina hid 77 pieces of marzipan. ویلهلمینا costs 129 EUR in the attic.';

const model = await startScriptedModel(() => '');
const works = await startPlatform({ log, env: secrets });
const fails = await startPlatform({ log, env: { ...secrets, OPENAI_BASE_URL: model.url } });
const { call, run, sandbox } = works;

/** Creates an account and adds its credentials to `known`. */
async function newAccount(platform = works) {
  const person = await platform.newPerson({ tokens: 200_000 });
  const token = await platform.login(person.email);
  const made = await platform.call<{ api_key: { key: string } }>('POST', '/api/accounts/api-keys', {
    token,
    body: { name: text },
  });
  known.push(person.token, token, made.body.api_key.key);
  return { ...person, token };
}
const known: string[] = [...Object.values(secrets), instagramSecret, testPassword, 'argon2', 'ig-access-token'];

function expectNoSecretsInLog(): void {
  const all = lines.join('');
  expect(lines.length).toBeGreaterThan(0);
  for (const secret of [...known, works.config.databaseUrl, new URL(works.config.databaseUrl).password].filter(Boolean))
    expect(all.includes(secret), secret).toBe(false);
  expect(lines.filter((line) => userText.test(line)).map((line) => line.slice(0, 1_000))).toEqual([]);
}
afterEach(() => {
  try {
    expectNoSecretsInLog();
  } finally {
    lines.length = 0;
  }
});

const sign = (body: string) => `sha256=${createHmac('sha256', instagramSecret).update(body).digest('hex')}`;

describe('the log has no user text and no secrets', () => {
  it('after jobs of all six tasks', async () => {
    const { token } = await newAccount();
    await call('POST', '/api/knowledge', { token, body: { title: text, text } });
    await call('PUT', '/api/prompt', { token, body: { text } });
    const account = { ig_user_id: '17841400000000001', username: 'shop', access_token: 'ig-access-token' };
    await call('POST', '/api/instagram/accounts', { token, body: account });
    const jobs = await Promise.all([
      run(token, '/api/ai/ask-question', { question: text }),
      run(token, '/api/web-knowledge/generate-prompt', { prompt: text, business: { [text]: text } }),
      run(token, '/api/web-knowledge/extract-products', {
        url: `${works.shopUrl}/products/aurora-desk-lamp?q=marzipan`,
      }),
      run(token, '/api/web-knowledge/generate-qa', { text }),
      run(token, '/api/chat/messages', { customer: text, text }),
      run(token, '/api/workflow/instagram-dm', { ig_user_id: account.ig_user_id, comment_id: '1', text }),
    ]);
    expect(jobs.map(({ status }) => status)).toEqual(Array(6).fill('completed'));
  });

  it('after webhooks with comments, messages and echoes', async () => {
    const { token } = await newAccount();
    const ig_user_id = '17841400000000002';
    const account = { ig_user_id, username: 'shop2', access_token: 'ig-access-token' };
    await call('POST', '/api/instagram/accounts', { token, body: account });
    await call('POST', '/api/workflows', { token, body: { ig_user_id, name: text, instructions: text } });
    sandbox.instagram.settings.current.echo = true;
    const from = { id: '5551', username: 'marzipan_lover' };
    await sandbox.instagram.fire({ kind: 'comment', ig_user_id, from, text });
    await sandbox.instagram.fire({ kind: 'message', ig_user_id, from, text });
    await until(async () => {
      const { body } = await call<{ accounts: { recent_events: Body[] }[] }>('GET', '/api/instagram/accounts', {
        token,
      });
      const events = body.accounts[0]?.recent_events ?? [];
      return events.filter(({ job_status }) => job_status === 'completed').length === 2;
    });
    for (const raw of [text, `{"${text}`, JSON.stringify({ object: text, entry: [{ id: text, changes: [text] }] })])
      for (const signature of [sign(raw), 'sha256=00', text.replace(/[^ -~]/g, '')])
        await call('POST', '/webhooks/instagram', { raw, headers: { 'x-hub-signature-256': signature } });
    await call(
      'GET',
      `/webhooks/instagram?hub.mode=subscribe&hub.verify_token=${secrets.INSTAGRAM_VERIFY_TOKEN}&hub.challenge=1`,
    );
  });

  it('after invalid requests', async () => {
    const { token, email } = await newAccount();
    const refused = [
      call('POST', '/api/ai/ask-question', { token, raw: `{"question":"${text}` }),
      call('POST', '/api/ai/ask-question', { token, body: { question: { [text]: text } } }),
      call('PUT', '/api/prompt', { token, body: { text, [text]: text } }),
      call('POST', '/api/accounts/login', { body: { email, password: text } }),
      call('POST', '/api/accounts/login', { raw: `{"email":"${email}","password":"${testPassword}` }),
      call('POST', '/api/accounts/register', { body: { email, password: testPassword } }),
      call('POST', '/api/accounts/password', { token, body: { current_password: text, new_password: testPassword } }),
      call('GET', `/api/jobs?cursor=${encodeURIComponent(text)}`, { token }),
      call('GET', `/${encodeURIComponent(text)}`, { token }),
      call('GET', '/api/jobs', { token: `${token}x` }),
      call('POST', '/api/chat/messages', { token, body: { customer: text, text, conversation_id: text } }),
    ];
    for (const answer of await Promise.all(refused)) expect(answer.status).toBeGreaterThanOrEqual(400);
    lines.push('{}');
  });
});

describe('a model that echoes its prompt', () => {
  const everything = ({ messages }: { messages: unknown }) => `${JSON.stringify(messages)} ${secrets.OPENAI_API_KEY}`;
  const error = (message: string) =>
    JSON.stringify({ error: { message, type: 'invalid_request_error', param: message, code: 'bad' } });

  it.each<[string, (request: { messages: unknown }) => { status: number; body: string; type?: string }]>([
    ['as a 400', (request) => ({ status: 400, body: error(`Invalid prompt: ${everything(request)}`) })],
    ['as a 401, with the key', () => ({ status: 401, body: error(`Incorrect API key: ${secrets.OPENAI_API_KEY}`) })],
    ['as a 500 in HTML', (request) => ({ status: 500, body: `<h1>${everything(request)}</h1>`, type: 'text/html' })],
    ['as a 200 that is not JSON', (request) => ({ status: 200, body: `${text} ${everything(request)}` })],
    ['as a 200 in plain text', (request) => ({ status: 200, body: everything(request), type: 'text/plain' })],
    [
      'as a truncated 200',
      (request) => ({ status: 200, body: `{"choices":[{"message":{"content":"${text}${everything(request)}` }),
    ],
    [
      'in the usage',
      () => ({
        status: 200,
        body: JSON.stringify({
          choices: [{ message: { content: text }, finish_reason: 'stop' }],
          usage: { prompt_tokens: text },
        }),
      }),
    ],
  ])('%s is not copied to the log or the job’s error', async (_, script) => {
    model.script = script;
    const { token } = await newAccount(fails);
    const id = await fails.submit(token, text);
    await until(async () =>
      lines.some(
        (line) =>
          line.includes(id) &&
          /"status":"(failed|queued|completed)".*job \w+/.test(line) &&
          line.includes('duration_ms'),
      ),
    );
    const { body } = await fails.call<{ job: { error: string | null } }>('GET', `/api/jobs/${id}`, { token });
    expect(`${body.job.error}`).not.toMatch(userText);
  });
});

describe('a database error that contains user text', () => {
  const { pool } = works.api.services.db;

  it.each([
    ['in its message', `perform new.text::integer`],
    ['as a value that is too long', `perform new.text::varchar::"char"; execute format('select %L::date', new.text)`],
    ['in message, detail and hint', `raise exception 'refused: %', new.text using detail = new.text, hint = new.text`],
  ])('%s is not copied to the log or the answer', async (_, statement) => {
    const { token } = await newAccount();
    await pool.query(
      `create or replace function refuse() returns trigger language plpgsql as $$ begin ${statement}; return new; end $$`,
    );
    await pool.query(
      'create or replace trigger refuse before insert on knowledge for each row execute function refuse()',
    );
    const answer = await call('POST', '/api/knowledge', { token, body: { title: text, text } });
    await pool.query('drop trigger refuse on knowledge');
    expect(answer).toMatchObject({ status: 500, body: { error: 'Internal error', error_code: 'internal' } });
    expect(Object.keys(answer.body).sort()).toEqual(['error', 'error_code', 'request_id', 'success']);
    expect(lines.some((line) => line.includes('request failed'))).toBe(true);
  });

  it('of a check constraint is not copied to the log', async () => {
    const { token } = await newAccount();
    await pool.query(`alter table prompts add constraint short check (length(text) < 5) not valid`);
    const answers = [
      await call('PUT', '/api/prompt', { token, body: { text } }),
      await run(token, '/api/web-knowledge/generate-prompt', { prompt: text }),
    ];
    await pool.query('alter table prompts drop constraint short');
    expect(answers).toMatchObject([
      { status: 500 },
      { status: 'failed', error_code: 'internal', error: 'Internal error' },
    ]);
  });
});

it('nothing is written to the console', () => {
  for (const method of consoleSpies) expect(method).not.toHaveBeenCalled();
  lines.push('{}');
});
