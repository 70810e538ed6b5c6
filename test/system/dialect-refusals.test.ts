/** Provider refusals have the same effect on jobs in every dialect. */
import { type Person, type Platform, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';
import { dialects } from '../../apps/sandbox/src/model/dialects/dialects.ts';

type CloseLater = (cleanUp: () => Promise<void>) => void;

async function startWith(modelPath: string, closeLater: CloseLater): Promise<{ platform: Platform; person: Person }> {
  const platform = await startPlatform({ modelPath }, closeLater);
  return { platform, person: await platform.newPerson({ tokens: 1_000_000 }) };
}

type JobRow = { status: string; error_code: string | null; attempts: number };

async function readJob({ api }: Platform, jobId: string): Promise<JobRow> {
  const { rows } = await api.services.db.pool.query<JobRow>(
    'select status, error_code, error, attempts from jobs where id = $1',
    [jobId],
  );
  return rows[0] as JobRow;
}

describe('a refusal in every dialect', { timeout: 120_000 }, () => {
  it.concurrent.for(dialects)(
    '$name: a too long input or refused content ends the job',
    async (dialect, { onTestFinished }) => {
      const { platform, person } = await startWith(dialect.basePath, onTestFinished);
      platform.sandbox.faults.set([{ kind: 'context_length', times: 1 }]);
      const long = await platform.ask(person.token, 'Is this too long?');
      expect(long).toMatchObject({ status: 'failed', error_code: 'too_large', tokens_consumed: 0 });
      platform.sandbox.faults.set([{ kind: 'content_refused', times: 1 }]);
      const refused = await platform.ask(person.token, 'Is this allowed?');
      // Ollama has no error for refused content; its models refuse in the answer's text.
      const ending = dialect.contentRefused === 'in_text' ? { status: 'completed' } : { error_code: 'model_refused' };
      expect(refused).toMatchObject(ending);
    },
  );

  it.concurrent.for(dialects)(
    '$name: jobs wait on a wrong key or an unpaid bill',
    async (dialect, { onTestFinished }) => {
      const { platform, person } = await startWith(dialect.basePath, onTestFinished);
      for (const kind of ['unauthorized', 'unpaid'] as const) {
        platform.sandbox.book.clear();
        platform.sandbox.faults.set([{ kind }]);
        const jobs = await Promise.all(
          Array.from({ length: 5 }, (_, number) =>
            platform.submit(person.token, `Do you ship lamps? (${kind} ${number})`),
          ),
        );
        await until(async () => platform.sandbox.book.totals().requests > 0);
        for (const job of jobs) expect((await readJob(platform, job)).status, kind).toMatch(/queued|running/);
        platform.sandbox.faults.clear();
        for (const job of jobs) await platform.poll(person.token, job);
        for (const job of jobs)
          expect(await readJob(platform, job), kind).toMatchObject({ status: 'completed', attempts: 1 });
      }
    },
  );

  it.concurrent.for(dialects)('$name: a rate limit fails no job', async (dialect, { onTestFinished }) => {
    const { platform, person } = await startWith(dialect.basePath, onTestFinished);
    platform.sandbox.faults.set([{ kind: 'rate_limit', allow_per_second: 4 }]);
    const jobs = await Promise.all(
      Array.from({ length: 20 }, (_, number) => platform.submit(person.token, `Do you ship lamps? (${number})`)),
    );
    for (const job of jobs) await platform.poll(person.token, job, 60_000);
    for (const job of jobs) expect(await readJob(platform, job)).toMatchObject({ status: 'completed', attempts: 1 });
  });
});
