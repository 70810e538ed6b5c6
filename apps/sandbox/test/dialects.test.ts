/** How each dialect of the stand-in model answers and counts. */
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { DialectName } from '../src/model/dialects/dialect.ts';
import { dialects } from '../src/model/dialects/dialects.ts';
import { Settings } from '../src/settings.ts';
import { model, useSandbox } from './fixture.ts';

const { sandbox, url } = useSandbox();
const names = dialects.map(({ name }) => name);
const pathOf = (name: DialectName): string => dialects.find((dialect) => dialect.name === name)?.basePath ?? '';
const lastEntry = () => sandbox.book.list().at(-1);
const reasoning = { reasoning_tokens: 40, cached_share: 0.5 };

const Answer = z.looseObject({
  choices: z.array(
    z.looseObject({
      message: z.looseObject({ content: z.string().nullable(), reasoning_content: z.string().optional() }).optional(),
      finish_reason: z.string(),
    }),
  ),
  usage: z.looseObject({ prompt_tokens: z.number(), completion_tokens: z.number(), total_tokens: z.number() }),
});

const post = (name: DialectName, more: object = {}): Promise<Response> =>
  fetch(`${url()}${pathOf(name)}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'How are you?' }], ...more }),
  });

async function ask(name: DialectName, more: object = {}): Promise<z.output<typeof Answer>> {
  const response = await post(name, more);
  const body = await response.json();
  expect(response.status, JSON.stringify(body)).toBe(200);
  return Answer.parse(body);
}

const contentOf = ({ choices }: z.output<typeof Answer>): string => choices[0]?.message?.content ?? '';

describe('usage', () => {
  const prompt = { prompt_tokens: 11, total_tokens: expect.any(Number) };
  const cached = 5;
  test.each<[DialectName, (completion: number) => object]>([
    [
      'openai',
      (completion) => ({
        completion_tokens: completion,
        prompt_tokens_details: { cached_tokens: cached },
        completion_tokens_details: { reasoning_tokens: 40 },
      }),
    ],
    [
      'xai',
      (completion) => ({
        completion_tokens: completion - 40,
        prompt_tokens_details: { cached_tokens: cached },
        completion_tokens_details: { reasoning_tokens: 40 },
      }),
    ],
    ['google', (completion) => ({ completion_tokens: completion - 40 })],
    ['ollama', (completion) => ({ completion_tokens: completion })],
    [
      'deepseek',
      (completion) => ({
        completion_tokens: completion,
        completion_tokens_details: { reasoning_tokens: 40 },
        prompt_cache_hit_tokens: cached,
        prompt_cache_miss_tokens: 11 - cached,
      }),
    ],
  ])('has the form of %s and is kept in the book by class', async (name, written) => {
    sandbox.settings.current = Settings.parse(reasoning);
    const { usage } = await ask(name);
    const entry = lastEntry();
    expect(entry).toMatchObject({ dialect: name, prompt_tokens: 11, cached_tokens: cached, outcome: 'answered' });
    expect(entry?.reasoning_tokens).toBeGreaterThanOrEqual(40);
    expect(usage).toMatchObject({ ...prompt, ...written(entry?.completion_tokens ?? 0) });
    expect(usage.total_tokens).toBe(entry?.total_tokens);
    expect(entry?.total_tokens).toBe(11 + (entry?.completion_tokens ?? 0));
  });

  test('has no details at Google and Ollama', async () => {
    for (const name of ['google', 'ollama'] as const)
      expect(Object.keys((await ask(name)).usage)).toEqual(['prompt_tokens', 'completion_tokens', 'total_tokens']);
  });
});

describe('the output limit', () => {
  const both = ['max_completion_tokens', 'max_tokens'];
  test.each<[DialectName, string[]]>([
    ['openai', both],
    ['xai', both],
    ['google', both],
    ['ollama', ['max_tokens']],
    ['deepseek', ['max_tokens']],
  ])('of %s is read from %j', async (name, obeyed) => {
    for (const field of both) {
      const { choices } = await ask(name, { [field]: 3 });
      expect(choices[0]?.finish_reason, field).toBe(obeyed.includes(field) ? 'length' : 'stop');
    }
  });

  test('of a reasoning model is refused by OpenAI in max_tokens', async () => {
    sandbox.settings.current = Settings.parse(reasoning);
    const twice = await post('openai', { max_tokens: 9, max_completion_tokens: 9 });
    expect([twice.status, await twice.json()]).toMatchObject([
      400,
      { error: { param: 'max_tokens', code: 'invalid_parameter_combination' } },
    ]);
    const old = await post('openai', { max_tokens: 9 });
    expect([old.status, await old.json()]).toMatchObject([
      400,
      { error: { param: 'max_tokens', code: 'unsupported_parameter' } },
    ]);
  });

  test.each(names)('of %s includes reasoning', async (name) => {
    sandbox.settings.current = Settings.parse(reasoning);
    const field = name === 'openai' ? 'max_completion_tokens' : 'max_tokens';
    const spent = await ask(name, { [field]: 20 });
    expect(spent.choices[0]?.finish_reason).toBe('length');
    expect(contentOf(spent).replace(/^<think>[\s\S]*/, '')).toBe('');
    expect(lastEntry()).toMatchObject({ completion_tokens: 20, reasoning_tokens: 20 });
    const cutOff = await ask(name, { [field]: 55 });
    expect(cutOff.choices[0]?.finish_reason).toBe('length');
    expect(lastEntry()?.completion_tokens).toBe(55);
    expect(contentOf(cutOff)).not.toBe('');
  });
});

describe('over_limit', () => {
  test.each(names)('exceeds the limit of %s', async (name) => {
    sandbox.settings.current = Settings.parse(reasoning);
    sandbox.faults.set([{ kind: 'over_limit', tokens: 25 }]);
    await ask(name, { [name === 'openai' ? 'max_completion_tokens' : 'max_tokens']: 100 });
    expect(lastEntry()?.completion_tokens).toBeGreaterThan(120);
  });
});

describe('reasoning', () => {
  test('is in the content at Ollama and beside it at DeepSeek', async () => {
    sandbox.settings.current = Settings.parse(reasoning);
    for (const name of names) {
      const answer = await ask(name);
      expect(contentOf(answer).startsWith('<think>\n'), name).toBe(name === 'ollama');
      expect(contentOf(answer)).toContain('You said: "How are you?"');
      expect(answer.choices[0]?.message?.reasoning_content !== undefined, name).toBe(name === 'deepseek');
    }
  });
});

describe('JSON', () => {
  const schema = z.toJSONSchema(z.strictObject({ reply: z.string(), sure: z.boolean() }));
  const byFormat = { response_format: { type: 'json_schema', json_schema: { name: 'any', schema, strict: true } } };
  const byPrompt = (question: string) => ({
    response_format: { type: 'json_object' },
    messages: [
      {
        role: 'system',
        content: `Answer in JSON that fits this schema:\n${JSON.stringify(schema)}\nand nothing else.`,
      },
      { role: 'user', content: question },
    ],
  });

  test.each(names.filter((name) => name !== 'deepseek'))('fits the schema of %s', async (name) => {
    expect(JSON.parse(contentOf(await ask(name, byFormat)))).toEqual({ reply: expect.any(String), sure: true });
  });

  test('with a schema is refused by DeepSeek', async () => {
    const refused = await post('deepseek', byFormat);
    expect([refused.status, await refused.json()]).toEqual([
      400,
      {
        error: {
          message: 'This response_format type is unavailable now',
          type: 'invalid_request_error',
          param: null,
          code: 'invalid_request_error',
        },
      },
    ]);
  });

  test('of DeepSeek fits the prompt’s schema, at times in a fence', async () => {
    const contents: string[] = [];
    for (const question of ['Hello?', 'Hello there?', 'Hello, hello?', 'Hello, who is there?'])
      contents.push(contentOf(await ask('deepseek', byPrompt(question))));
    const fenced = contents.filter((content) => /^```json\n[\s\S]*\n```$/.test(content));
    expect(fenced.length).toBeGreaterThan(0);
    expect(fenced.length).toBeLessThan(contents.length);
    for (const content of contents)
      expect(JSON.parse(content.replace(/^```json\n|\n```$/g, ''))).toEqual({
        reply: expect.any(String),
        sure: expect.any(Boolean),
      });
  });

  test('has to be named in a prompt for DeepSeek', async () => {
    const refused = await post('deepseek', { response_format: { type: 'json_object' } });
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("the word 'json'")]);
  });
});

describe('request ids', () => {
  test('are sent by the dialects that have them', async () => {
    for (const { name, requestIdHeader } of dialects) {
      const { headers } = await post(name);
      const given = ['x-request-id', 'x-ds-trace-id'].filter((header) => headers.has(header));
      expect(given, name).toEqual(requestIdHeader === undefined ? [] : [requestIdHeader]);
    }
  });
});

test.each(names)('the openai client works with %s', async (name) => {
  const client = new OpenAI({ apiKey: 'any', baseURL: `${url()}${pathOf(name)}`, maxRetries: 0 });
  const answer = await client.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hello?' }] });
  expect(answer.choices[0]?.message.content).toContain('Hello?');
  expect((await client.models.list()).data.length).toBeGreaterThan(0);
});

test('the home page names every base URL', async () => {
  const home = await (await fetch(url())).text();
  for (const { basePath } of dialects) expect(home).toContain(`<code>${basePath}</code>`);
});
