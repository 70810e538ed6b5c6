/** What was learnt of a model, kept over restarts and shared by all workers. */
import type { Database } from '../../connect.ts';

export type ModelTraits = {
  jsonMode: 'json_schema' | 'json_object' | 'none';
  capField: 'max_tokens' | 'max_completion_tokens' | 'both';
  /** Tokens that it reports of an input for each one that we count, 1 to 8. */
  latinFactor: number;
  otherFactor: number;
};

export async function readModelTraits(db: Database, provider: string, model: string): Promise<ModelTraits | undefined> {
  const { rows } = await db.pool.query<ModelTraits>(
    `select json_mode as "jsonMode", cap_field as "capField", latin_factor as "latinFactor", other_factor as "otherFactor"
     from model_traits where provider = $1 and model = $2`,
    [provider, model],
  );
  return rows[0];
}

/** Keeps what a worker has learnt last. */
export async function writeModelTraits(
  db: Database,
  provider: string,
  model: string,
  traits: ModelTraits,
): Promise<void> {
  await db.pool.query(
    `insert into model_traits (provider, model, json_mode, cap_field, latin_factor, other_factor)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (provider, model) do update set json_mode = excluded.json_mode, cap_field = excluded.cap_field,
       latin_factor = excluded.latin_factor, other_factor = excluded.other_factor, updated_at = now()`,
    [provider, model, traits.jsonMode, traits.capField, traits.latinFactor, traits.otherFactor],
  );
}

/** Tokens of the last 24 hours that an account's unusable answers used and that were not billed. */
export async function readMalformedTokens(db: Database, accountId: string): Promise<number> {
  const { rows } = await db.pool.query<{ tokens: number }>(
    `select coalesce(sum(total_tokens), 0)::bigint as tokens from ai_usage_log
     where account_id = $1 and outcome = 'malformed' and billed_tokens = 0 and created_at > now() - interval '24 hours'`,
    [accountId],
  );
  return rows[0]?.tokens ?? 0;
}
