/** What workers that share a database learn about a model. */
import { connectDatabase } from '@tally/db';
import { newDatabase, testLog } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createTraits } from '../../src/model/traits.ts';

const question = [{ role: 'user' as const, content: 'What does the lamp cost?' }];

async function startWorkers() {
  const db = connectDatabase({ url: await newDatabase(), name: 'test', log: testLog });
  onTestFinished(() => db.close());
  return (outputCap: 'auto' | 'max_tokens' = 'auto') =>
    createTraits({ db, log: testLog, baseUrl: 'http://model.example/v1', model: 'm', outputCap });
}

describe('learnt traits', () => {
  it('are read by the next worker', async () => {
    const newWorker = await startWorkers();
    const first = newWorker();
    first.learn({ jsonMode: 'json_object' });
    for (let i = 0; i < 100; i++) first.observe('one', 100, 200, question);
    await first.sync();
    const next = newWorker();
    await next.sync();
    expect(next.current().jsonMode).toBe('json_object');
    expect(next.scale('new', 100, question)).toBeGreaterThan(180);
  });

  it('of the form survive another worker’s later write of its factor', async () => {
    const newWorker = await startWorkers();
    const [one, other] = [newWorker(), newWorker()];
    await Promise.all([one.sync(), other.sync()]);
    one.learn({ jsonMode: 'json_object', capField: 'max_tokens' });
    await one.sync();
    for (let i = 0; i < 100; i++) other.observe('one', 100, 200, question);
    await other.sync();
    await one.sync();
    for (const { current } of [one, other])
      expect(current()).toMatchObject({ jsonMode: 'json_object', capField: 'max_tokens' });
    expect(one.scale('new', 100, question)).toBeGreaterThan(180);
  });

  it('are overridden by the setting', async () => {
    const newWorker = await startWorkers();
    const first = newWorker();
    first.learn({ capField: 'max_completion_tokens' });
    await first.sync();
    const next = newWorker('max_tokens');
    await next.sync();
    expect(next.current().capField).toBe('max_tokens');
  });
});

describe('sending the cap in both fields', () => {
  it('is tried unless the server refused it or the operator set one', async () => {
    const newWorker = await startWorkers();
    const strict = newWorker();
    expect(strict.mayTryCap('both')).toBe(true);
    strict.learn({ capField: 'max_completion_tokens' });
    expect(strict.mayTryCap('both')).toBe(false);
    await strict.sync();
    const next = newWorker();
    await next.sync();
    expect(next.mayTryCap('both')).toBe(false);
    expect(newWorker('max_tokens').mayTryCap('both')).toBe(false);
  });
});

describe('input factor', () => {
  it('rises fast, falls slowly, and stays between 1 and 8', async () => {
    const { observe, scale: scaleOf } = (await startWorkers())();
    const scale = (tokens: number, messages: typeof question) => scaleOf('one', tokens, messages);
    for (let i = 0; i < 20; i++) observe('one', 100, 500, question);
    expect(scale(100, question)).toBeGreaterThan(450);
    for (let i = 0; i < 5; i++) observe('one', 100, 100, question);
    expect(scale(100, question)).toBeGreaterThan(400);
    for (let i = 0; i < 1_000; i++) observe('one', 100, 1, question);
    expect(scale(100, question)).toBeGreaterThanOrEqual(100);
    for (let i = 0; i < 1_000; i++) observe('one', 100, 1_000_000, question);
    expect(scale(100, question)).toBeLessThanOrEqual(800);
  });

  it('is separate for Armenian and English text', async () => {
    const { observe, scale: scaleOf } = (await startWorkers())();
    const scale = (tokens: number, messages: typeof question) => scaleOf('one', tokens, messages);
    const armenian = [{ role: 'user' as const, content: 'Ի՞նչ արժե լամպը' }];
    for (let i = 0; i < 50; i++) observe('one', 100, 500, armenian);
    expect(scale(100, armenian)).toBeGreaterThan(450);
    expect(scale(100, question)).toBe(100);
  });

  it('is per account, and the median for a new account', async () => {
    const { observe, scale, sync } = (await startWorkers())();
    for (let i = 0; i < 100; i++) {
      observe('odd', 100, 800, question);
      observe('one', 100, 120, question);
      observe('other', 100, 140, question);
    }
    await sync();
    expect(scale('odd', 100, question)).toBeGreaterThan(750);
    expect(scale('one', 100, question)).toBeLessThanOrEqual(121);
    expect(scale('new', 100, question)).toBeGreaterThan(130);
    expect(scale('new', 100, question)).toBeLessThanOrEqual(141);
  });
});
