/** Raises an alarm if a model repeatedly uses more tokens than its calls hold and accounts can pay for. */
import { idFrom, maxId, minId } from '@tally/core';
import { endAlarms, endStaleAlarms, raiseAlarm, readUnpaidUsage } from '@tally/db';
import type { WorkerServices } from '../services.ts';

// One or two calls may be accounts that ran out; a model that ignores its cap, or is miscounted, does it constantly.
const callsTolerated = 2;
// An alarm that is not raised again for this long is resolved, or was a single case.
const alarmLifetimeMs = 3_600_000;

export async function watchUnpaidUsage({ db, log }: Pick<WorkerServices, 'db' | 'log'>): Promise<void> {
  const repeated = (await readUnpaidUsage(db)).filter(({ calls }) => calls > callsTolerated);
  const subjects: string[] = [];
  for (const { model, calls, unpaidTokens } of repeated) {
    const subject = idFrom(`model ${model}`);
    subjects.push(subject);
    const what = `${model}: ${calls} calls of the last hour used ${unpaidTokens} tokens above what their accounts could pay`;
    if (await raiseAlarm(db, { kind: 'unpaid_usage', subject, what }))
      log.error({ model, calls, unpaidTokens }, `ALARM, ${what}`);
  }
  for (const kind of ['cap_ignored', 'model_request'] as const) await endStaleAlarms(db, kind, alarmLifetimeMs);
  await endAlarms(db, { kind: 'unpaid_usage', afterId: minId, lastId: maxId, stillActive: subjects });
}
