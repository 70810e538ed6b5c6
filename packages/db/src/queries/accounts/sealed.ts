/** Secrets that are stored sealed, for the rotation of the key that seals them. */
import type { Database } from '../../connect.ts';
import { sealContext } from '../instagram/accounts.ts';
import { totpContext } from './second-factor.ts';

export type SealedKind = 'instagram token' | 'second factor';
/** A sealed secret and the context that it is bound to. */
export type Sealed = { id: string; context: string; sealed: string };

const sealedColumns = {
  'instagram token': {
    table: 'instagram_accounts',
    column: 'access_token',
    boundTo: 'ig_user_id',
    toContext: sealContext,
  },
  'second factor': { table: 'accounts', column: 'totp_secret', boundTo: 'id', toContext: totpContext },
} as const;

/** A page of the secrets of a kind, in order of id. */
export async function listSealed(
  db: Database,
  kind: SealedKind,
  page: { afterId: string; limit: number },
): Promise<Sealed[]> {
  const { table, column, boundTo, toContext } = sealedColumns[kind];
  const { rows } = await db.pool.query<{ id: string; boundTo: string; sealed: string }>(
    `select id, ${boundTo} as "boundTo", ${column} as sealed from ${table}
     where id > $1 and ${column} <> '' order by id limit $2`,
    [page.afterId, page.limit],
  );
  return rows.map(({ id, sealed, ...row }) => ({ id, context: toContext(row.boundTo), sealed }));
}

/** Replaces the sealed value `from` by `to`; false where it has changed since it was read. */
export async function replaceSealed(
  db: Database,
  kind: SealedKind,
  secret: { id: string; from: string; to: string },
): Promise<boolean> {
  const { table, column } = sealedColumns[kind];
  const { rowCount } = await db.pool.query(`update ${table} set ${column} = $3 where id = $1 and ${column} = $2`, [
    secret.id,
    secret.from,
    secret.to,
  ]);
  return rowCount === 1;
}
