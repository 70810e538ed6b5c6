import { describe, expect, it } from 'vitest';
import { group } from '../src/index.ts';

/** A group whose batches end when the test calls `open`. */
function gated(
  options: { fails?: (inputs: number[]) => boolean; maxBatch?: number; retryAlone?: (e: unknown) => boolean } = {},
) {
  const batches: number[][] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const call = group(async (inputs: number[]) => {
    batches.push(inputs);
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
    if (options.fails?.(inputs)) throw new Error(`no ${inputs}`);
    return inputs.map((input) => input * 10);
  }, options);
  const open = async () => {
    await expect.poll(() => gates.length).toBeGreaterThan(0);
    gates.shift()?.resolve();
  };
  return { call, batches, open };
}

describe('group', () => {
  it('batches calls of one tick, then all calls made meanwhile', async () => {
    const { call, batches, open } = gated();
    const first = Promise.all([call(1), call(2)]);
    await open();
    const second = Promise.all([call(3), call(4), call(5)]);
    expect(await first).toEqual([10, 20]);
    await open();
    expect(await second).toEqual([30, 40, 50]);
    expect(batches).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
  });

  it('has one batch in flight, of at most maxBatch calls', async () => {
    const { call, batches, open } = gated({ maxBatch: 2 });
    const all = Promise.all([call(1), call(2), call(3)]);
    await expect.poll(() => batches).toEqual([[1, 2]]);
    await open();
    await open();
    expect(await all).toEqual([10, 20, 30]);
    expect(batches).toEqual([[1, 2], [3]]);
  });

  it('fails only the caller of a bad input', async () => {
    const { call, batches, open } = gated({ fails: (inputs) => inputs.includes(2) });
    const all = Promise.allSettled([call(1), call(2), call(3)]);
    for (let i = 0; i < 4; i++) await open();
    expect(await all).toEqual([
      { status: 'fulfilled', value: 10 },
      { status: 'rejected', reason: new Error('no 2') },
      { status: 'fulfilled', value: 30 },
    ]);
    expect(batches).toEqual([[1, 2, 3], [1], [2], [3]]);
  });

  it('skips single retries if retryAlone says so, and goes on', async () => {
    let isDown = true;
    const { call, batches, open } = gated({ fails: () => isDown, retryAlone: () => false });
    const all = Promise.allSettled([call(1), call(2)]);
    await open();
    expect((await all).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    isDown = false;
    const next = call(3);
    await open();
    expect(await next).toBe(30);
    expect(batches).toEqual([[1, 2], [3]]);
  });
});
