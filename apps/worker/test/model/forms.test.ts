/** Answers in the forms that real servers send, and the job results that follow. */
import { readModelTraits } from '@tally/db';
import type { Scripted } from '@tally/testing';
import { startPlatform, startScriptedModel } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';

const model = await startScriptedModel(() => 'It costs 49.90.');
const { api, call, newPerson, ask, run } = await startPlatform({ env: { OPENAI_BASE_URL: model.url } });
const { db } = api.services;

async function askOnce(script: Scripted | (() => Scripted), tokens = 10_000) {
  const person = await newPerson({ tokens });
  model.asked.length = 0;
  model.script = typeof script === 'function' ? script : () => script;
  const job = await ask(person.token, 'What does the lamp cost?');
  const { rows: log } = await db.pool.query<{ outcome: string; billed_tokens: number; step: string }>(
    'select outcome, billed_tokens, step from ai_usage_log where account_id = $1 order by created_at, step',
    [person.accountId],
  );
  const held = await call<{ tokens_held: number }>('GET', '/api/billing/overview', { token: person.token });
  expect(held.body.tokens_held).toBe(0);
  return { job, log, ...person };
}

const plain = { status: 'completed', result: { answer: 'It costs 49.90.' } };

describe('answer', () => {
  it.each<[string, object]>([
    [
      'a list of parts',
      {
        content: [
          { type: 'text', text: 'It costs ' },
          { type: 'text', text: '49.90.' },
        ],
      },
    ],
    [
      'a reasoning part and a text part',
      {
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] },
          { type: 'text', text: 'It costs 49.90.' },
        ],
      },
    ],
    ['parts with nested text', { content: [{ type: 'text', text: { value: 'It costs 49.90.' } }] }],
    ['an object with a text field', { content: { text: 'It costs 49.90.' } }],
    ['a think block and the answer', { content: '<think>The customer is poor.</think>\n\nIt costs 49.90.' }],
    ['a think block whose opening tag is in the prompt', { content: 'The customer is poor.</think>It costs 49.90.' }],
    ['an answer with a think block inside', { content: 'It costs <Thinking>let me see</Thinking>49.90.' }],
  ])('in the form of %s is reduced to its text', async (_, message) => {
    const { job, log } = await askOnce({ message });
    expect(job).toMatchObject(plain);
    expect(log).toMatchObject([{ outcome: 'answered', billed_tokens: 70 }]);
  });

  it.each<[string, object]>([
    ['a number', { content: 4990 }],
    ['an unclosed think block only', { content: '<think>The customer seems' }],
    [
      'null with tool calls',
      { content: null, tool_calls: [{ id: 'x', type: 'function', function: { name: 'f', arguments: '{}' } }] },
    ],
    ['an object without text', { content: { said: 'hello' } }],
    ['a list without text parts', { content: [{ type: 'image_url', image_url: {} }, null, 7] }],
  ])('in the form of %s is logged unbilled and requested again', async (_, message) => {
    let calls = 0;
    const { job, log } = await askOnce(() => (calls++ === 0 ? { message } : 'It costs 49.90.'));
    expect(job).toMatchObject(plain);
    expect(log).toMatchObject([
      { outcome: 'malformed', billed_tokens: 0 },
      { outcome: 'answered', billed_tokens: 70 },
    ]);
  });

  it('is read from text/plain, and with a byte order mark', async () => {
    const body = JSON.stringify({
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'It costs 49.90.' } }],
      usage: { prompt_tokens: 50, completion_tokens: 20, total_tokens: 70 },
    });
    for (const text of [body, `\ufeff${body}`])
      expect((await askOnce({ status: 200, body: text, type: 'text/plain' })).job).toMatchObject(plain);
  });

  it.each<[string, Scripted]>([
    ['a choice with finish_reason error', { choice: { finish_reason: 'error' } }],
    [
      'an error instead of choices',
      { status: 200, body: JSON.stringify({ error: { message: 'Upstream', code: 502 } }) },
    ],
    ['Too Early', { status: 425, body: JSON.stringify({ error: { message: 'Too Early' } }) }],
  ])('is requested again after %s', async (_, first) => {
    let calls = 0;
    const { job, log } = await askOnce(() => (calls++ === 0 ? first : 'It costs 49.90.'));
    expect(job).toMatchObject(plain);
    expect(log).toMatchObject([{ outcome: 'unavailable', billed_tokens: 0 }, { outcome: 'answered' }]);
  });
});

describe('JSON answer', () => {
  const pairs = '{"pairs":[{"question":"What does the Aurora lamp cost?","answer":"The Aurora lamp costs 129 EUR."}]}';
  const write = async (script: () => Scripted) => {
    const { token } = await newPerson({ tokens: 10_000 });
    model.asked.length = 0;
    model.script = script;
    return run<{ pairs: object[] }>(token, '/api/web-knowledge/generate-qa', {
      text: 'The Aurora lamp costs 129 EUR.',
      count: 1,
    });
  };

  it.each([
    ['alone', pairs],
    ['in a code block', `\`\`\`json\n${pairs}\n\`\`\``],
    ['in a code block without a language', `\`\`\`\n${pairs}\n\`\`\``],
    ['after a think block', `<think>Pairs, then.</think>\n${pairs}`],
    ['after a sentence', `Here are the pairs:\n${pairs}`],
    ['before a sentence', `${pairs}\nI hope this helps!`],
    ['with a byte order mark', `\ufeff${pairs}`],
    ['surrounded by white space', `\n\n ${pairs} \n`],
  ])('is read %s', async (_, content) => {
    const job = await write(() => content);
    expect(job).toMatchObject({ status: 'completed', tokens_consumed: 70 });
    expect(job.result?.pairs).toHaveLength(1);
    expect(model.asked).toHaveLength(1);
  });

  it('is read from an object instead of a string', async () => {
    expect((await write(() => ({ message: { content: JSON.parse(pairs) } }))).result?.pairs).toHaveLength(1);
  });

  it('uses json_object from the first refusal of json_schema on', async () => {
    const refusal = {
      error: { message: 'This response_format type is unavailable now', type: 'invalid_request_error' },
    };
    const format = (asked: object) => (asked as { response_format?: { type: string } }).response_format?.type;
    const script = () =>
      format(model.asked.at(-1) ?? {}) === 'json_schema' ? { status: 400, body: JSON.stringify(refusal) } : pairs;
    expect((await write(script)).result?.pairs).toHaveLength(1);
    expect(model.asked.map(format)).toEqual(['json_schema', 'json_object']);
    expect(JSON.stringify(model.asked[1]?.messages)).toContain('JSON Schema');
    expect((await write(script)).result?.pairs).toHaveLength(1);
    expect(model.asked.map(format)).toEqual(['json_object']);
    await expect
      .poll(() => readModelTraits(db, new URL(model.url).host, 'gpt-4o-mini'))
      .toMatchObject({ jsonMode: 'json_object' });
  });
});

describe('output cap', () => {
  it('is sent in both fields until the server refuses one', async () => {
    await askOnce('It costs 49.90.');
    expect(model.asked[0]).toMatchObject({ max_tokens: 400, max_completion_tokens: 400 });
    const body = JSON.stringify({
      error: {
        message: `Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.`,
        code: 'unsupported_parameter',
        param: 'max_tokens',
      },
    });
    const { job } = await askOnce(() =>
      'max_tokens' in (model.asked.at(-1) ?? {}) ? { status: 400, body } : 'It costs 49.90.',
    );
    expect(job).toMatchObject(plain);
    expect(model.asked.map((asked) => Object.keys(asked).filter((name) => name.startsWith('max_')))).toEqual([
      ['max_completion_tokens', 'max_tokens'],
      ['max_completion_tokens'],
    ]);
  });
});

describe('cut-off answer', () => {
  const cutOff = (content: string, completion: number) => ({
    message: { content },
    choice: { finish_reason: 'length' },
    usage: { prompt_tokens: 50, completion_tokens: completion, total_tokens: 50 + completion },
  });
  const capOf = (asked: object) => (asked as { max_completion_tokens: number }).max_completion_tokens;

  it('without text is billed and requested again with a higher cap', async () => {
    const { job, log } = await askOnce(() => {
      const cap = capOf(model.asked.at(-1) ?? {});
      return cap < 1_000 ? cutOff('', cap) : { message: { content: 'It costs 49.90.' } };
    });
    expect(job).toMatchObject({ ...plain, tokens_consumed: 450 + 70 });
    expect(model.asked.map(capOf)).toEqual([400, 1_600]);
    expect(log).toEqual([
      { step: 'answer', outcome: 'cut_off', billed_tokens: 450 },
      { step: 'answer~2', outcome: 'answered', billed_tokens: 70 },
    ]);
  });

  it('fails the job after three calls with rising caps, all billed', async () => {
    const { job, log } = await askOnce(() => cutOff('', capOf(model.asked.at(-1) ?? {})));
    expect(job).toMatchObject({
      status: 'failed',
      error_code: 'model_output_invalid',
      error: 'The answer was cut off at 6400 tokens',
    });
    expect(model.asked.map(capOf)).toEqual([400, 1_600, 6_400]);
    expect(log.every(({ billed_tokens }) => billed_tokens > 0)).toBe(true);
  });

  it('is not requested again if it ended far below the cap', async () => {
    const { job } = await askOnce(() => cutOff('', 100));
    expect(job).toMatchObject({ status: 'failed', error_code: 'model_output_invalid' });
    expect(model.asked).toHaveLength(1);
  });

  it('rejects the job if the account can’t pay for a longer one', async () => {
    const { job } = await askOnce(() => cutOff('', capOf(model.asked.at(-1) ?? {})), 700);
    expect(job).toMatchObject({ status: 'rejected', error_code: 'no_tokens_remaining' });
    expect(job.error).toMatch(
      /^The answer was cut off at \d+ tokens. A longer one: This needs at least \d+ tokens, and \d+ are left/,
    );
    expect(model.asked).toHaveLength(1);
  });

  it('with text is marked in the result', async () => {
    const { job } = await askOnce(cutOff('You can return it, but only if', 400));
    expect(job).toMatchObject({
      status: 'completed',
      result: { answer: 'You can return it, but only if', cut_off: true },
    });
  });

  it('is sent to a customer up to its last whole sentence', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    model.script = () => cutOff('Yes, within 30 days. It has to be in its box, and only if', 300);
    const message = { customer: 'eve', text: 'May I return it?' };
    const job = await run<{ reply: string; cut_off: boolean }>(token, '/api/chat/messages', message);
    expect(job.result).toMatchObject({ reply: 'Yes, within 30 days.', cut_off: true });
  });

  it('without a whole sentence is requested again, not sent', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    model.asked.length = 0;
    model.script = () => (model.asked.length === 1 ? cutOff('You can return it, but only if', 300) : 'Yes, you may.');
    const job = await run<{ reply: string; cut_off: boolean }>(token, '/api/chat/messages', {
      customer: 'eve',
      text: 'May I?',
    });
    expect(job.result).toMatchObject({ reply: 'Yes, you may.', cut_off: false });
    expect(model.asked.map(capOf)).toEqual([300, 1_200]);
  });
});

describe('unusable answers', () => {
  it('are unbilled up to a daily bound per account, then billed', async () => {
    const usage = { prompt_tokens: 9_000, completion_tokens: 10, total_tokens: 9_010 };
    const { token, accountId, job } = await askOnce({ message: { content: ' ' }, usage }, 1_000_000);
    expect(job).toMatchObject({ status: 'failed', tokens_consumed: 9_010 });
    const again = await ask(token, 'And now?');
    expect(again).toMatchObject({ status: 'failed', error_code: 'model_output_invalid', tokens_consumed: 9_010 });
    const calls = model.asked.length;
    await call('POST', `/api/jobs/${again.id}/retry`, { token, headers: { prefer: 'wait=20' } });
    const retried = await call<{ job: { status: string; tokens_consumed: number } }>('GET', `/api/jobs/${again.id}`, {
      token,
    });
    expect(retried.body.job).toMatchObject({ status: 'failed', tokens_consumed: 9_010 });
    expect(model.asked).toHaveLength(calls);
    const { rows } = await db.pool.query('select from ai_usage_log where account_id = $1 and billed_tokens = 0', [
      accountId,
    ]);
    expect(rows).toHaveLength(2);
    const { text } = await call('GET', '/metrics');
    expect(text).toMatch(/tally_unbilled_tokens\{model="gpt-4o-mini",outcome="malformed"\} \d{5}/);
  });
});

describe('input too long for the model', () => {
  it.each<[string, number, object]>([
    [
      'OpenAI',
      400,
      {
        message: "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        code: 'context_length_exceeded',
      },
    ],
    [
      'vLLM',
      400,
      {
        message:
          "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens. Please reduce the length of the messages.",
        type: 'BadRequestError',
        code: 400,
      },
    ],
    [
      'llama.cpp',
      400,
      { message: 'the request exceeds the available context size (8192 tokens)', type: 'exceed_context_size_error' },
    ],
    [
      'Google',
      400,
      {
        message: 'The input token count (9000) exceeds the maximum number of tokens allowed (8192).',
        status: 'INVALID_ARGUMENT',
      },
    ],
    ['Request too large', 413, { message: 'Request too large' }],
  ])('fails as too_large with the token numbers: %s', async (_, status, error) => {
    const { job } = await askOnce({ status, body: JSON.stringify({ error }) });
    expect(job).toMatchObject({ status: 'failed', error_code: 'too_large', tokens_consumed: 0 });
    expect(job.error).toMatch(status === 413 ? /it has \d+ tokens$/ : /it has \d+ tokens, and the model takes 8192$/);
  });
});
