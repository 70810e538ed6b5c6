/** Repeating an operator's call with the same Idempotency-Key gives the first answer, and changes nothing. */
import { TallyError } from '@tally/core';
import { beginIdempotent, type Database, endIdempotent, forgetIdempotent } from '@tally/db';
import { requestHash } from './errors.ts';

/**
 * Runs `work` unless this key has been used for the account before. Without a key it just runs.
 * @throws TallyError `idempotency_conflict` for another request under the key, `conflict` while the first one runs
 */
export async function withIdempotency<T extends object>(
  db: Database,
  request: { key: string | undefined; accountId: string; route: string; input: unknown },
  work: () => Promise<T>,
): Promise<T> {
  if (request.key === undefined) return work();
  // Tenants' own keys for their submissions must not meet the operators' keys for the same account: no header holds a \n.
  const key = `admin\n${request.key}`;
  const hash = requestHash(request.route, request.input);
  const earlier = await beginIdempotent(db, { accountId: request.accountId, key, requestHash: hash });
  if (earlier !== undefined) {
    if (!earlier.requestHash.equals(hash))
      throw new TallyError('idempotency_conflict', 'This Idempotency-Key was used for another request');
    if (earlier.response === null)
      throw new TallyError('conflict', 'The first request with this key is still under way');
    return earlier.response as T;
  }
  try {
    const response = await work();
    await endIdempotent(db, { accountId: request.accountId, key, response });
    return response;
  } catch (error) {
    await forgetIdempotent(db, { accountId: request.accountId, key });
    throw error;
  }
}
