/** `npm run ops -- rebuild-redis`: deletes derived state in Redis, so that it is rebuilt from Postgres. */
import { repairRedis } from '@tally/billing';
import { listSubscriptionIds } from '@tally/db';
import { forgetQueues } from '@tally/queue';
import { accountOf } from '../database.ts';
import { eachPage } from '../pages.ts';
import type { OpsServices } from '../services.ts';

/**
 * The ledger's accounts are hydrated by their next reserve. The queues are refilled by a worker within seconds;
 * existing entries stay. Safe on a running installation. Returns the exit code.
 */
export async function rebuildRedis(
  services: OpsServices,
  options: { account?: string; dryRun?: boolean },
): Promise<number> {
  const accountId = await accountOf(services, options.account);
  const count = await eachPage(
    { list: (page) => listSubscriptionIds(services.db, { accountId, ...page }), idOf: (id) => id },
    async (ids) => {
      if (!options.dryRun) await Promise.all(ids.map((id) => repairRedis(services.billing, id)));
    },
  );
  if (accountId === undefined && !options.dryRun) await forgetQueues(services.queues);
  const queues = accountId === undefined ? ` and ${services.queues.byTask.size} queues` : '';
  console.log(`${count} subscriptions${queues} ${options.dryRun ? 'would be' : 'will be'} read from Postgres again.`);
  return 0;
}
