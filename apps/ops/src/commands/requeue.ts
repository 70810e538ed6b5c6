/** `npm run ops -- requeue`: requeues failed and rejected jobs. */
import { isId } from '@tally/core';
import { type EndedJob, listRequeueable } from '@tally/db';
import { requeue } from '@tally/queue';
import { accountOf } from '../database.ts';
import { eachPage } from '../pages.ts';
import type { OpsServices } from '../services.ts';

export type RequeueOptions = {
  code?: string;
  task?: string;
  account?: string;
  /** Hours. */
  since?: number;
  dryRun?: boolean;
};

/** Requeues the given jobs, or those that match all options. Returns the exit code. */
export async function requeueCommand(
  services: OpsServices,
  jobIds: string[],
  options: RequeueOptions,
): Promise<number> {
  const { code, task, account, since } = options;
  if (jobIds.length === 0 && [code, task, account, since].every((option) => option === undefined)) {
    console.error('Say which: ids of jobs, or --code, --task, --account, --since');
    return 1;
  }
  const invalidId = jobIds.find((jobId) => !isId(jobId));
  if (invalidId !== undefined) {
    console.error(`${invalidId} is not the id of a job`);
    return 1;
  }
  const which = {
    jobIds: jobIds.length === 0 ? undefined : jobIds,
    errorCode: code,
    task,
    accountId: await accountOf(services, account),
    finishedAfter: since === undefined ? undefined : new Date(Date.now() - since * 3_600_000),
  };
  let done = 0;
  const found = await eachPage(
    { list: (page) => listRequeueable(services.db, { ...which, ...page }), idOf: (job: EndedJob) => job.id },
    async (jobs) => {
      for (const job of jobs) console.log(`${job.id}  ${job.task}  ${job.errorCode}  ${job.finishedAt.toISOString()}`);
      if (!options.dryRun)
        done += (
          await requeue(
            services,
            jobs.map(({ id }) => id),
          )
        ).length;
    },
  );
  console.log(options.dryRun ? `${found} jobs would be put back.` : `${done} of ${found} jobs put back.`);
  return 0;
}
