/** Secrets that are stored sealed, to be sealed anew. */
import type { Database } from '../../connect.ts';
import { sealContext } from '../instagram/accounts.ts';
import { totpContext } from './second-factor.ts';

export type SealedKind = 'instagram token' | 'second factor';
/** `context` is what it is sealed for. */
export type Sealed = { id: string; context: string; sealed: string };

const places = {
  'instagram token': {
    table: 'instagram_accounts',
    column: 'access_token',
    owner: 'ig_user_id',
    contextOf: sealContext,
  },
  'second factor': { table: 'accounts', column: 'totp_secret', owner: 'id', contextOf: totpContext },
} as const;

/** Those after `afterId`, in order of id. */
export async function listSealed(
  db: Database,
  kind: SealedKind,
  page: { afterId: string; limit: number },
): Promise<Sealed[]> {
  const { table, column, owner, contextOf } = places[kind];
  const { rows } = await db.pool.query<{ id: string; owner: string; sealed: string }>(
    `select id, ${owner} as owner, ${column} as sealed from ${table}
     where id > $1 and ${column} <> '' order by id limit $2`,
    [page.afterId, page.limit],
  );
  return rows.map((row) => ({ id: row.id, context: contextOf(row.owner), sealed: row.sealed }));
}

/** Replaces a sealed secret; false where it has been replaced since it was read. */
export async function replaceSealed(
  db: Database,
  kind: SealedKind,
  secret: { id: string; from: string; to: string },
): Promise<boolean> {
  const { table, column } = places[kind];
  const { rowCount } = await db.pool.query(`update ${table} set ${column} = $3 where id = $1 and ${column} = $2`, [
    secret.id,
    secret.from,
    secret.to,
  ]);
  return rowCount === 1;
}
