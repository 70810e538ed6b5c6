/** The tokens run out: the last answer is cut at what is left, and then nothing is answered any more. */
import { z } from 'zod';
import { type Client, resultOf } from '../client.ts';
import { expectEqual, expectThat } from '../expect.ts';
import { eventOf, fire, sendsOf } from '../instagram.ts';
import type { Cast } from '../story.ts';
import { count, shortened, tokensOf, writtenBody } from '../text.ts';
import { allJobs, remainingTokens } from '../usage.ts';

/** The longest answer that ask-question allows. */
const longestAnswerTokens = 400;
const mostQuestions = 20;
const path = '/api/ai/ask-question';
/** Nothing is found for it, so each time it costs the same. */
const input = { question: 'Do you repair bicycles?' };
const Answered = z.object({ answer: z.string() });
const Refused = z.object({ error_code: z.string(), tokens_remaining: z.int(), consumed_tokens: z.int() });

export async function runOut(cast: Cast): Promise<void> {
  const { screen, tenant } = cast;
  screen.chapter(
    'The tokens run out',
    'Tokens are reserved before every model call, and the model is told to use no more than was reserved. So the last ' +
      'answer ends where the tokens end, and the balance never goes below zero.',
  );
  await askWhileThereIsEnough(cast);
  await askOnceMore(cast);
  const remaining = await remainingTokens(tenant);
  await refuseAll(cast, remaining);
  await refuseComment(cast);
  expectEqual('What is left after all refusals', await remainingTokens(tenant), remaining);
}

/** Asks until what is left is less than the longest answer needs. */
async function askWhileThereIsEnough({ screen, tenant }: Cast): Promise<void> {
  screen.note('A visitor asks again and again:');
  for (let i = 1; i <= mostQuestions; i++) {
    const job = await tenant.run(path, input);
    resultOf(job, Answered);
    const remaining = await remainingTokens(tenant);
    screen.answer(`answered, ${count(remaining)} remaining`, job.tokens_consumed);
    if (remaining <= job.tokens_consumed + longestAnswerTokens) return;
  }
  throw new Error(`the tokens lasted for more than ${mostQuestions} questions`);
}

/** The model wants to say more than is left. */
async function askOnceMore({ screen, tenant, sandbox }: Cast): Promise<void> {
  const before = await remainingTokens(tenant);
  screen.note(`Now the model is told to answer at length, ${longestAnswerTokens} tokens: more than is left.`);
  await sandbox.send('PUT', '/sandbox/settings', { output_tokens: longestAnswerTokens });
  const job = await tenant.run(path, input);
  const { answer } = resultOf(job, Answered);
  screen.answer(`"${shortened(answer, 58)}" and on, until the tokens end`, job.tokens_consumed);
  expectThat('the answer costs no more than was left', job.tokens_consumed <= before, { before, job });
}

/** What remains, if anything, is less than the shortest prompt needs: no task that always asks the model can use it. */
async function refuseAll({ screen, tenant }: Cast, remaining: number): Promise<void> {
  const jobsBefore = (await allJobs(tenant)).length;
  const refused = await refusalOf(tenant, path, input);
  screen.request('Lea', `POST ${path}`, writtenBody(input));
  screen.answer(
    `402 no_tokens_remaining, ${tokensOf(remaining)} remaining of ${count(remaining + refused.consumed_tokens)}`,
  );
  const others: [path: string, body: object][] = [
    ['/api/web-knowledge/generate-prompt', { prompt: 'be nice' }],
    ['/api/web-knowledge/generate-qa', { text: 'The Aurora has a guarantee of 5 years.' }],
    ['/api/chat/messages', { customer: 'tom', text: 'Hello?' }],
    ['/api/workflow/instagram-dm', { ig_user_id: '1', comment_id: '1', text: 'Price?' }],
  ];
  for (const [other, body] of others)
    expectEqual(`What ${other} shows as remaining`, (await refusalOf(tenant, other, body)).tokens_remaining, remaining);
  screen.note(
    `Four other tasks say the same: ${tokensOf(remaining)} are less than any of them needs for its shortest answer. Only ` +
      'pages are still read while a token is left, for they may cost nothing.',
  );
  expectEqual('How many jobs the refusals made', (await allJobs(tenant)).length - jobsBefore, 0);
}

async function refusalOf({ quiet: tenant }: Client, task: string, body: object): Promise<z.infer<typeof Refused>> {
  const refused = await tenant.post(task, body, Refused, 402);
  expectEqual(`Why ${task} is refused`, refused.error_code, 'no_tokens_remaining');
  return refused;
}

/** Instagram gets its 200, the customer silence, and the owner the reason. */
async function refuseComment(cast: Cast): Promise<void> {
  const before = (await sendsOf(cast)).length;
  const event = await eventOf(cast, await fire(cast, { kind: 'comment', text: 'Price?' }));
  const { outcome, job_status, error_code } = event;
  const expected = { outcome: 'queued', job_status: 'rejected', error_code: 'no_tokens_remaining' };
  expectEqual('What became of a comment without tokens', { outcome, job_status, error_code }, expected);
  expectEqual('How many replies were sent to it', (await sendsOf(cast)).length - before, 0);
  cast.screen.request('Lea', 'GET /api/instagram/accounts');
  cast.screen.answer(`the comment’s job was ${job_status}: ${error_code}; nobody was written to`);
}
