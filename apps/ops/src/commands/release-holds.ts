/** `npm run ops -- release-holds`: releases holds of calls that can no longer be settled. */
import { removeFromRedis } from '@tally/billing';
import { deleteHolds, listDeadHolds } from '@tally/db';
import { accountOf } from '../database.ts';
import { eachPage } from '../pages.ts';
import type { OpsServices } from '../services.ts';

/** Releases them in Postgres, then in Redis; holds of running calls stay. Returns the exit code. */
export async function releaseHolds(
  services: OpsServices,
  options: { account?: string; dryRun?: boolean },
): Promise<number> {
  const accountId = await accountOf(services, options.account);
  let tokens = 0;
  const count = await eachPage(
    { list: (page) => listDeadHolds(services.db, { accountId, ...page }), idOf: ({ holdId }) => holdId },
    async (holds) => {
      for (const hold of holds) {
        tokens += hold.tokens;
        console.log(`${hold.holdId}  job ${hold.jobId}  ${hold.tokens} tokens`);
      }
      if (options.dryRun) return;
      await deleteHolds(
        services.db,
        holds.map(({ holdId }) => holdId),
      );
      await removeFromRedis(services.billing, holds);
    },
  );
  console.log(`${count} holds of ${tokens} tokens ${options.dryRun ? 'would be' : ''} released.`.replace('  ', ' '));
  return 0;
}
