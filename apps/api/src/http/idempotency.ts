/** Idempotency of operators' requests: the same Idempotency-Key returns the first response without effect. */
import { TallyError } from '@tally/core';
import { claimIdempotencyKey, type Database, releaseIdempotencyKey, storeIdempotentResponse } from '@tally/db';
import { requestHash } from './errors.ts';

/**
 * Runs `work` unless this key was used for the account before; without a key, always.
 * @throws TallyError `idempotency_conflict` for another request under the key, `conflict` while the first one runs
 */
export async function withIdempotency<T extends object>(
  db: Database,
  request: { key: string | undefined; accountId: string; route: string; input: unknown },
  work: () => Promise<T>,
): Promise<T> {
  if (request.key === undefined) return work();
  // Keeps operators' keys apart from the same account's submission keys: no header value contains \n.
  const key = `admin\n${request.key}`;
  const hash = requestHash(request.route, request.input);
  const earlier = await claimIdempotencyKey(db, { accountId: request.accountId, key, requestHash: hash });
  if (earlier !== undefined) {
    if (!earlier.requestHash.equals(hash))
      throw new TallyError('idempotency_conflict', 'This Idempotency-Key was used for another request');
    if (earlier.response === null)
      throw new TallyError('conflict', 'The first request with this key is still under way');
    return earlier.response as T;
  }
  try {
    const response = await work();
    await storeIdempotentResponse(db, { accountId: request.accountId, key, response });
    return response;
  } catch (error) {
    await releaseIdempotencyKey(db, { accountId: request.accountId, key });
    throw error;
  }
}
