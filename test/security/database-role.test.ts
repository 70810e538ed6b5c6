/** The application's Postgres role can run Tally, but can't change tables, triggers or ledger rows. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connectDatabase, type Database, migrate } from '@tally/db';
import { withDatabase } from '@tally/testing';
import { startPlatform, testLog } from '@tally/testing/vitest';
import { describe, expect, inject, it } from 'vitest';

const suffix = randomBytes(4).toString('hex');
const [owner, app, database] = [`tally_owner_${suffix}`, `tally_app_${suffix}`, `tally_roles_${suffix}`];
const password = 'a password of this test';

/** The SQL of scripts/roles.sh with role and database names unique to this test. */
function rolesSql(): [string, string] {
  const script = readFileSync(new URL('../../scripts/roles.sh', import.meta.url), 'utf8');
  const sql = (/<<'SQL'\n([\s\S]*)\nSQL/.exec(script)?.[1] ?? '')
    .replaceAll(/:'(?:owner|app)_password'/g, `'${password}'`)
    .replaceAll('tally_owner', owner)
    .replaceAll('tally_app', app)
    .replace('create database tally', `create database ${database}`);
  const [server = '', inside = ''] = sql.split('\\connect tally\n');
  return [server, inside];
}

const open = (url: string) => connectDatabase({ url, name: 'test', log: testLog, connections: 2 });
async function runAll(url: string, sql: string): Promise<void> {
  const db = open(url);
  for (const statement of sql.split(';\n').filter((text) => text.trim() !== '')) await db.pool.query(statement);
  await db.close();
}
const as = (role: string): string => {
  const url = new URL(withDatabase(inject('postgresUrl'), database));
  url.username = role;
  url.password = password;
  return url.toString();
};

const [onServer, inDatabase] = rolesSql();
await runAll(inject('postgresUrl'), onServer);
await runAll(withDatabase(inject('postgresUrl'), database), inDatabase);
const migrations: Database = open(as(owner));
await migrate(migrations);
await migrations.close();
const platform = await startPlatform({ env: { DATABASE_URL: as(app) } });
const { db } = platform.api.services;

describe('the application’s role', () => {
  it('can run a job and bill its tokens', async () => {
    const { token } = await platform.newPerson({ tokens: 10_000 });
    await platform.call('POST', '/api/knowledge', { token, body: { title: 'Returns', text: 'You have 30 days.' } });
    const job = await platform.ask(token, 'How long do I have to return a lamp?');
    expect(job).toMatchObject({ status: 'completed' });
    const { body } = await platform.call('GET', '/api/billing/overview', { token });
    expect(body).toMatchObject({ ai_tokens_total: job.tokens_consumed });
  });

  it.each([
    'alter table ai_usage_log disable trigger append_only',
    'alter table subscription_balances disable trigger user',
    `set session_replication_role = 'replica'`,
    'drop trigger append_only on token_grants',
    'truncate ai_usage_log',
    'delete from ai_usage_log',
    'update token_grants set tokens = tokens * 2',
    'update subscription_balances set tokens_consumed = 0',
    'drop table ai_usage_log',
    'create table mine (id integer)',
    `create or replace function fold_usage() returns trigger language plpgsql as 'begin return null; end'`,
  ])('can’t run: %s', async (statement) => {
    await expect(db.pool.query(statement)).rejects.toThrow(/permission denied|must be owner|only|append|trigger/i);
  });
});
