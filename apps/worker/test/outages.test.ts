import { createLogger } from '@tally/core';
import { ReplyError } from 'ioredis';
import { expect, it } from 'vitest';
import { untilReachable } from '../src/jobs/until-reachable.ts';

type Line = { level: number; code?: string; waited_ms?: number; msg: string };

/** A logger whose lines the test can read. */
function openLog() {
  const lines: Line[] = [];
  const log = createLogger('test', 'info', { write: (line: string) => void lines.push(JSON.parse(line) as Line) });
  return { log, errors: () => lines.filter(({ level }) => level >= 50) };
}

const unreachable = () =>
  Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' });

it('retries after an unknown refusal and returns the result', async () => {
  const { log, errors } = openLog();
  let tries = 0;
  const work = async () => {
    if (++tries < 4) throw new ReplyError('NEWCODE not today');
    return 'done';
  };
  expect(await untilReachable(work, { log })).toBe('done');
  expect(errors()).toEqual([]);
});

it('throws an error in the command at once', async () => {
  let tries = 0;
  const work = async () => {
    tries++;
    throw new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value');
  };
  await expect(untilReachable(work, openLog())).rejects.toThrow('WRONGTYPE');
  expect(tries).toBe(1);
});

it('logs a long wait once per period and code for all waiters', async () => {
  const { log, errors } = openLog();
  let isBack = false;
  const work = async () => {
    if (isBack || errors().length >= 2) isBack = true;
    else throw new ReplyError('STUCK for long');
  };
  await Promise.all(Array.from({ length: 5 }, () => untilReachable(work, { log, alarmEveryMs: 300 })));
  expect(errors()).toHaveLength(2);
  expect(errors()[0]).toMatchObject({ code: 'STUCK', waited_ms: expect.any(Number) });
});

it('gives up at its deadline on a store that refuses', async () => {
  const work = async () => {
    throw new ReplyError('NEWCODE for ever');
  };
  await expect(untilReachable(work, { ...openLog(), giveUpAtMs: performance.now() - 1 })).rejects.toThrow('NEWCODE');
});

it('does not give up on an unreachable store', async () => {
  let tries = 0;
  const work = async () => {
    if (++tries < 3) throw unreachable();
    return 'back';
  };
  expect(await untilReachable(work, { ...openLog(), giveUpAtMs: performance.now() - 1 })).toBe('back');
});
