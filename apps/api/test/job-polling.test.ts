import { tasks } from '@tally/tasks';
import { type Body, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { guided, submitGuided } from './events.ts';

const platform = await startPlatform({ tasks: [...tasks, guided] });
const { ask, call, newPerson } = platform;
const { db } = platform.api.services;

const read = async (token: string, id: string, ifNoneMatch?: string) => {
  const answer = await call<{ job: Body }>('GET', `/api/jobs/${id}`, {
    token,
    headers: ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch },
  });
  return { ...answer, tag: answer.headers.get('etag') ?? '' };
};

describe('GET /api/jobs/{id} with If-None-Match', () => {
  it('returns 304 without reading the result if nothing changed', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const { id } = await ask(token, 'Anything new?');
    const first = await read(token, id);
    expect(first.tag).toMatch(/^W\/"[\w-]{22}"$/);
    expect(first.headers.get('cache-control')).toBe('private, no-cache');
    const statements = vi.spyOn(db.hot, 'query');
    onTestFinished(() => statements.mockRestore());
    for (const named of [first.tag, first.tag.slice(2), `"other", ${first.tag}`, '*']) {
      const { status, text, tag, headers } = await read(token, id, named);
      expect({ status, text, tag }).toEqual({ status: 304, text: '', tag: first.tag });
      expect(headers.get('cache-control')).toBe('private, no-cache');
    }
    const names = statements.mock.calls.map(([statement]) => (statement as unknown as { name: string }).name);
    expect(names).toContain('find_job_state');
    expect(names).not.toContain('find_job');
    for (const other of ['"other"', 'W/"other"', first.tag.slice(3, -1), ''])
      expect(await read(token, id, other)).toMatchObject({ status: 200, body: first.body, tag: first.tag });
  });

  it('changes the ETag with every visible field, and only then', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const { id, orders } = await submitGuided(platform, token);
    await until(async () => (await read(token, id)).body.job.status === 'running');
    let before = await read(token, id);
    const changed = new Set<string>();
    const tags = new Set([before.tag]);
    const expectChange = async (...fields: string[]) => {
      await until(async () => (await read(token, id, before.tag)).status === 200);
      const after = await read(token, id, before.tag);
      const differentFields = Object.keys(after.body.job).filter(
        (field) => JSON.stringify(after.body.job[field]) !== JSON.stringify(before.body.job[field]),
      );
      expect(differentFields).toEqual(fields);
      expect(tags).not.toContain(after.tag);
      tags.add(after.tag);
      for (const field of fields) changed.add(field);
      before = after;
    };
    orders.write({ progress: 'asking' });
    await expectChange('progress');
    // The call's usage settles with the next write, here an unchanged progress, so only tokens_consumed changes.
    orders.write({ ask: 'How much?' });
    orders.write({ progress: 'asking' });
    await expectChange('tokens_consumed');
    const set = (values: string) => db.pool.query(`update jobs set ${values} where id = $1`, [id]);
    for (const [field, values] of [
      ['progress', `progress = 'asking more'`],
      ['progress', `progress = null`],
      ['error', `error = 'Why?'`],
      ['error_code', `error_code = 'timeout'`],
      ['started_at', `started_at = started_at - interval '1 millisecond'`],
      ['finished_at', `finished_at = now()`],
      ['result', `result = '{"said": "something"}'`],
    ] as const) {
      await set(values);
      await expectChange(field);
    }
    await set(`lease_expires_at = lease_expires_at + interval '1 second', waits = waits + 1`);
    expect((await read(token, id, before.tag)).status).toBe(304);
    await set(`status = 'completed'`);
    await expectChange('status');
    // As when the texts of an old job are erased.
    await set('result = null');
    await expectChange('result');
    const constant = ['id', 'task', 'created_at'];
    expect([...changed, ...constant].sort()).toEqual(Object.keys(before.body.job).sort());
  });

  it('sends Retry-After only until the job has ended', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const { id, orders } = await submitGuided(platform, token);
    const running = await read(token, id);
    expect(running.headers.get('retry-after')).toBe('1');
    orders.end();
    await until(async () => (await read(token, id)).body.job.status === 'completed');
    expect((await read(token, id)).headers.get('retry-after')).toBeNull();
  });

  it('returns 404 for another account’s job', async () => {
    const [mine, theirs] = [await newPerson({ tokens: 10_000 }), await newPerson({ tokens: 10_000 })];
    const { id } = await ask(theirs.token, 'Whose?');
    const { tag } = await read(theirs.token, id);
    for (const named of [tag, '*']) expect((await read(mine.token, id, named)).status).toBe(404);
  });
});
