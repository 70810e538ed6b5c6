/** Faults of Postgres: crashes, connections cut around a COMMIT, freezes, locks and serialization failures. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CutMoment } from '@tally/testing';
import type { World } from '../world.ts';
import type { Fault } from './fault.ts';

const limitMs = 15_000;
const frozenMs = 4_000;
const lockedMs = 4_000;
/** COMMIT, and the single statements that commit on their own. */
const committing = ['commit', 'settle', 'insert_holds', 'claim_jobs', 'submit_jobs', 'next_dispatches'];

function cutAround(name: string, moment: CutMoment): Fault {
  return {
    name,
    lane: 'inside',
    limitMs,
    async inject({ postgresProxy, say }, random) {
      const trap = postgresProxy.cutAround({ statements: committing, moment, chosen: () => random.chance(0.2) });
      await sleep(random.int(3_000, 6_000));
      say(`${name}: ${trap.stop()} connections were cut`);
      return { overAt: Date.now() };
    },
  };
}

export const postgresFaults: Fault[] = [
  cutAround('postgres-cut-before-commit', 'unsent'),
  cutAround('postgres-cut-after-commit', 'unanswered'),
  {
    name: 'postgres-crash',
    lane: 'inside',
    limitMs,
    async inject({ system }) {
      await system.postgres.restart('immediate');
      return { overAt: Date.now() };
    },
  },
  {
    name: 'postgres-cut-all',
    lane: 'inside',
    limitMs,
    async inject({ postgresProxy }, random) {
      for (let times = random.int(1, 4); times > 0; times--) {
        postgresProxy.cutAll();
        await sleep(random.int(100, 900));
      }
      return { overAt: Date.now() };
    },
  },
  {
    name: 'postgres-frozen',
    lane: 'inside',
    limitMs,
    async inject({ postgresProxy }) {
      postgresProxy.freeze();
      await sleep(frozenMs);
      postgresProxy.thaw();
      return { overAt: Date.now() };
    },
  },
  {
    name: 'postgres-serializable',
    lane: 'inside',
    limitMs,
    async inject(world, random) {
      await setIsolation(world, `= 'serializable'`);
      await sleep(random.int(4_000, 7_000));
      await setIsolation(world, 'to default');
      return { overAt: Date.now() };
    },
  },
  {
    name: 'postgres-locked',
    lane: 'inside',
    limitMs,
    async inject({ system, tenants }) {
      const client = await system.billing.db.pool.connect();
      try {
        await client.query('begin');
        await client.query(`select from jobs where status = 'running' order by id limit 5 for update skip locked`);
        await client.query(
          `select from subscription_balances where subscription_id in
             (select id from subscriptions where account_id = $1 and is_current) for update`,
          [tenants.rich.accountId],
        );
        await sleep(lockedMs);
        await client.query('rollback');
      } finally {
        client.release();
      }
      return { overAt: Date.now() };
    },
  },
];

/** Applies to new connections, so all of Tally's connections are closed. */
async function setIsolation({ system }: World, setting: string): Promise<void> {
  const { pool } = system.billing.db;
  await pool.query(`alter database tally set default_transaction_isolation ${setting}`);
  await pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name in ('tally-api', 'tally-worker')`,
  );
}
