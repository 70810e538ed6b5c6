/** Runs the example in CONTRIBUTING.md's chapter "Adding a task". */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AnyTask, tasks } from '@tally/tasks';
import type { Body } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { afterAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
// Outside the sources, but below the root, so that imports of packages resolve.
mkdirSync(join(root, '.data'), { recursive: true });
const folder = mkdtempSync(join(root, '.data/seventh-task-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a task of ten lines runs, is billed, documented and queued', async () => {
  const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
  const source = /## Add a task[\s\S]*?```ts\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  expect(source.trim().split('\n').length).toBeLessThanOrEqual(10);
  const defineTask = join(root, 'packages/tasks/src/define-task.ts');
  writeFileSync(join(folder, 'index.ts'), source.replace("'../define-task.ts'", JSON.stringify(defineTask)));
  const { summary } = (await import(join(folder, 'index.ts'))) as { summary: AnyTask };

  const { run, call, newPerson, api } = await startPlatform({ tasks: [...tasks, summary] });
  const { token } = await newPerson({ tokens: 1_000 });
  const job = await run<{ summary: string }>(token, summary.path, { text: 'The lamp is made of oak.' });

  expect(job).toMatchObject({ status: 'completed', task: 'summary' });
  expect(job.result?.summary).toContain('oak');
  expect(job.tokens_consumed).toBeGreaterThan(0);
  expect((await call<{ paths: Body }>('GET', '/openapi.json')).body.paths).toHaveProperty('/api/ai/summary.post');
  expect([...api.services.queues.byTask.keys()]).toContain('summary');
});
