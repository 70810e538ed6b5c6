/** 1,000 mixed jobs over five provider dialects: billed tokens equal the sandbox's book per token class. */
import { setTimeout as sleep } from 'node:timers/promises';
import { auditPageTwice } from '@tally/billing';
import { minId } from '@tally/core';
import { type Person, type Platform, until } from '@tally/testing';
import { newBilling, startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';
import type { BookEntry } from '../../apps/sandbox/src/book.ts';
import type { Dialect, DialectName } from '../../apps/sandbox/src/model/dialects/dialect.ts';
import { dialects } from '../../apps/sandbox/src/model/dialects/dialects.ts';
import { Settings } from '../../apps/sandbox/src/settings.ts';

const jobsPerDialect = 200;
const endLimitMs = 120_000;
const igUserId = '17841400000000042';

/** Whether a provider reports cached and reasoning tokens separately. */
const reports: Record<DialectName, { cached: boolean; reasoning: boolean }> = {
  openai: { cached: true, reasoning: true },
  xai: { cached: true, reasoning: true },
  google: { cached: false, reasoning: true },
  ollama: { cached: false, reasoning: false },
  deepseek: { cached: true, reasoning: true },
};

type CloseLater = (cleanUp: () => Promise<void>) => void;
type Inputs = { path: string; input: object };

/** One submission of each task that needs no browser. */
const submissions: ((mark: string) => Inputs)[] = [
  (mark) => ({ path: '/api/ai/ask-question', input: { question: `How many days may I return a lamp? (${mark})` } }),
  (mark) => ({ path: '/api/web-knowledge/generate-prompt', input: { prompt: `be nice, no discounts (${mark})` } }),
  (mark) => ({
    path: '/api/web-knowledge/generate-qa',
    input: { text: `The lamp ${mark} costs 129 EUR and has a guarantee of 5 years.`, count: 2 },
  }),
  (mark) => ({
    path: '/api/chat/messages',
    input: { customer: mark, text: `Hi! Do you ship lamps to Spain? ${mark}` },
  }),
  (mark) => ({
    path: '/api/workflow/instagram-dm',
    input: { ig_user_id: igUserId, comment_id: `1787${mark.replace(/\D/g, '')}`, text: `Price of the lamp? ${mark}` },
  }),
];

type CallRow = {
  id: string;
  input_tokens: number;
  cached_input_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  total_tokens: number;
  billed_tokens: number;
  evidence: string;
};

/** A platform with a model of this dialect, and an account with knowledge and a connected Instagram account. */
async function startWith(dialect: Dialect, closeLater: CloseLater): Promise<{ platform: Platform; person: Person }> {
  const env = { AI_MODEL: `${dialect.name}-model`, LIMIT_SUBMISSIONS_PER_MINUTE: '0' };
  const platform = await startPlatform({ modelPath: dialect.basePath, env }, closeLater);
  const person = await platform.newPerson({ tokens: 1_000_000 });
  const post = async (path: string, body: object) => {
    const answer = await platform.call('POST', path, { token: person.token, body });
    expect(answer.status, answer.text).toBe(201);
  };
  await post('/api/knowledge', { title: 'Returns', text: 'You have 30 days to return a lamp.' });
  await post('/api/knowledge', { title: 'Shipping', text: 'We ship lamps to Spain for 9 EUR.' });
  await post('/api/instagram/accounts', { ig_user_id: igUserId, username: 'lamps.lisbon', access_token: 'any' });
  await post('/api/workflows', { ig_user_id: igUserId, name: 'every comment' });
  return { platform, person };
}

async function submitAll({ platform, person }: { platform: Platform; person: Person }, count: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, number) => number);
  await Promise.all(
    numbers.map(async (number) => {
      const submission = submissions[number % submissions.length]?.(`no ${number}`);
      const { path = '', input } = submission ?? {};
      const answer = await platform.call('POST', path, { token: person.token, body: input });
      expect(answer.status, answer.text).toBe(202);
    }),
  );
}

async function readJobs({ api }: Platform): Promise<Record<string, number>> {
  const { rows } = await api.services.db.pool.query<{ status: string; count: number }>(
    `select concat_ws(' ', status, error_code, error) as status, count(*) from jobs group by 1`,
  );
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}

async function allEnded(platform: Platform): Promise<Record<string, number>> {
  return until(async () => {
    const jobs = await readJobs(platform);
    return !Object.keys(jobs).some((status) => /^(queued|running)/.test(status)) && jobs;
  }, endLimitMs);
}

const classesOf = (row: CallRow) => ({
  input: row.input_tokens,
  cached: row.cached_input_tokens,
  output: row.output_tokens,
  reasoning: row.reasoning_tokens,
  total: row.total_tokens,
  billed: row.billed_tokens,
});

/** The log row that a book entry must have, given the classes that its provider reports. */
const expectedOf = (entry: BookEntry) => ({
  input: entry.prompt_tokens,
  cached: reports[entry.dialect].cached ? entry.cached_tokens : 0,
  output: entry.completion_tokens,
  reasoning: reports[entry.dialect].reasoning ? entry.reasoning_tokens : 0,
  total: entry.total_tokens,
  billed: entry.total_tokens,
});

describe('1,000 mixed jobs', { timeout: 180_000 }, () => {
  it.for(dialects)('over $name are billed as in its book, per token class', async (dialect, { onTestFinished }) => {
    const started = await startWith(dialect, onTestFinished);
    const { platform } = started;
    platform.sandbox.settings.current = Settings.parse({ reasoning_tokens: 30, cached_share: 0.25 });
    await submitAll(started, jobsPerDialect);
    expect(await allEnded(platform)).toEqual({ completed: jobsPerDialect });

    const { rows } = await platform.api.services.db.pool.query<CallRow>('select * from ai_usage_log');
    const answered = platform.sandbox.book.list({ limit: 10_000 }).filter(({ outcome }) => outcome === 'answered');
    expect(new Set(answered.map((entry) => entry.dialect))).toEqual(new Set([dialect.name]));
    expect(answered.length).toBe(jobsPerDialect);
    const rowOf = new Map(rows.map((row) => [row.id, row]));
    for (const entry of answered) {
      const row = rowOf.get(entry.key ?? '');
      expect(row && { ...classesOf(row), evidence: row.evidence }, `call ${entry.seq}`).toEqual({
        ...expectedOf(entry),
        evidence: 'reported',
      });
    }
    const sumOf = (values: number[]): number => values.reduce((sum, value) => sum + value, 0);
    expect(sumOf(rows.map((row) => row.billed_tokens))).toBe(sumOf(answered.map((entry) => entry.total_tokens)));
    expect(sumOf(answered.map((entry) => entry.reasoning_tokens))).toBeGreaterThanOrEqual(30 * jobsPerDialect);
    await until(
      async () => (await platform.api.services.db.pool.query('select id from token_holds')).rows.length === 0,
    );
    const billing = await newBilling(platform.config, onTestFinished);
    const audit = await auditPageTwice(billing, { afterId: minId, limit: 10, settleMs: 500, sleep });
    expect(audit).toMatchObject({ subscriptions: 1, findings: [] });
  });
});
