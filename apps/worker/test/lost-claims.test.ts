/** Claims that Postgres commits and whose answer the worker never receives. */
import { startProxy } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { expect, it, onTestFinished } from 'vitest';

it('a job whose claim answers are lost runs once, in one attempt', async () => {
  const platform = await startPlatform({ worker: false }, onTestFinished);
  const { config, sandbox } = platform;
  const { accountId, token } = await platform.newPerson({ tokens: 10_000 });
  const url = new URL(config.databaseUrl);
  const proxy = await startProxy(Number(url.port));
  onTestFinished(() => proxy.close());
  let cuts = 0;
  proxy.cutAround({ statements: ['claim_jobs'], moment: 'unanswered', chosen: () => ++cuts <= 5 });
  url.host = `127.0.0.1:${proxy.port}`;
  const jobId = await platform.submit(token, 'Where is my claim?');
  await platform.startWorker({ env: { DATABASE_URL: url.href } });
  expect(await platform.poll(token, jobId, 7_500)).toMatchObject({ status: 'completed' });
  expect(cuts).toBeGreaterThan(5);
  expect(sandbox.book.totals(accountId).requests).toBe(1);
  const { rows } = await platform.api.services.db.pool.query('select attempts, fence from jobs where id = $1', [jobId]);
  expect(rows).toEqual([{ attempts: 1, fence: 1 }]);
});
