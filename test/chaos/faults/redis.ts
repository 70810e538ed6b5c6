/** Faults of Redis: restarts with and without data, outages, freezes, full memory, closed connections. */
import { setTimeout as sleep } from 'node:timers/promises';
import { freeze } from '../freeze.ts';
import type { World } from '../world.ts';
import type { Fault } from './fault.ts';

const limitMs = 15_000;
const outageMs = 12_000;
const frozenMs = 5_000;

const command = ({ system }: World, ...words: [string, ...string[]]): Promise<unknown> =>
  system.billing.redis.call(...words);

export const redisFaults: Fault[] = [
  {
    name: 'redis-restart',
    lane: 'inside',
    limitMs,
    async inject({ system }) {
      await system.redis.kill();
      await system.redis.restart({ keepData: true });
      return { overAt: Date.now() };
    },
  },
  {
    name: 'redis-restart-empty',
    lane: 'inside',
    limitMs,
    async inject({ system }) {
      await system.redis.kill();
      await system.redis.restart({ keepData: false });
      return { overAt: Date.now() };
    },
  },
  {
    name: 'redis-away',
    lane: 'inside',
    limitMs: 5_000,
    isExclusive: true,
    async inject({ system }) {
      await system.redis.kill();
      await sleep(outageMs);
      await system.redis.restart({ keepData: true });
      return { overAt: Date.now() };
    },
  },
  {
    name: 'redis-frozen',
    lane: 'inside',
    limitMs,
    async inject({ system }) {
      const wake = freeze(system.redis.pid);
      await sleep(frozenMs);
      wake();
      return { overAt: Date.now() };
    },
  },
  {
    name: 'redis-full',
    lane: 'inside',
    limitMs,
    async inject(world, random) {
      const info = String(await command(world, 'INFO', 'memory'));
      const usedBytes = Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
      await command(world, 'CONFIG', 'SET', 'maxmemory', String(usedBytes + random.int(0, 20_000)));
      await sleep(random.int(3_000, 6_000));
      await command(world, 'CONFIG', 'SET', 'maxmemory', '0');
      return { overAt: Date.now() };
    },
  },
  {
    name: 'redis-script-flush',
    lane: 'inside',
    limitMs,
    async inject(world) {
      await command(world, 'SCRIPT', 'FLUSH');
      return { overAt: Date.now() };
    },
  },
  {
    name: 'redis-hangs-up',
    lane: 'inside',
    limitMs,
    async inject(world, random) {
      for (let times = random.int(1, 5); times > 0; times--) {
        await command(world, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        await sleep(random.int(100, 800));
      }
      return { overAt: Date.now() };
    },
  },
];
