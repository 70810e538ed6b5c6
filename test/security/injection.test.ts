/** Sends SQL, patterns and control characters in every text field of every documented route. */
import type { Answer, CallOptions, Person } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';
import { bodiesWith, filled, namesIn, type Operation, readOperations, sample, textFieldsOf } from './api-document.ts';
import { makeResources, resourceAt } from './resources.ts';
import { expectSound } from './sound.ts';

const env = { LIMIT_SUBMISSIONS_PER_MINUTE: '0', LIMIT_READS_PER_MINUTE: '0', LIMIT_LOGINS: '0' };
const platform = await startPlatform({ env });
const { api, call, newPerson } = platform;
const operations = await readOperations(platform);
const tenant = await newPerson({ tokens: 1_000_000 });
const operator = await newPerson({ role: 'operator', tokens: 1_000 });
const resources = await makeResources(platform, { ...tenant, marker: 'mine' });
// Jobs need not run: this tests the API only.
await platform.stopWorkers();

const texts = [
  "'; drop table jobs; --",
  "' or '1'='1",
  '$1',
  "\\'",
  '\\',
  '%_',
  '{}',
  '*',
  '{{7*7}}<%= 7*7 %>',
  '"}],"x":[{"',
  "E'\\x27'",
  '$$; select pg_sleep(9); $$',
  '1::uuid); delete from accounts; --',
  '../../../../etc/passwd',
  'https://x.example/\u2028\u202e',
  '\u0001\u001b[31m\r\nset-cookie: a=b',
  '🏮'.repeat(60),
  'ﷺ'.repeat(90),
];

/** Every table with its number of columns, which an injected statement would change. */
async function tables(): Promise<unknown> {
  const { rows } = await api.services.db.pool.query(
    `select table_name, count(*) from information_schema.columns where table_schema = 'public' group by 1 order by 1`,
  );
  return rows;
}
const before = await tables();

const personFor = ({ path }: Operation): Person => (path.startsWith('/api/admin') ? operator : tenant);
const ownIds = (path: string) =>
  Object.fromEntries(
    namesIn(path).map((name) => [
      name,
      resourceAt(resources, path.slice(0, path.indexOf(`{${name}}`) + name.length + 2)).id,
    ]),
  );

const send = (operation: Operation, path: string, rest: CallOptions) =>
  call(operation.method, path, { token: personFor(operation).token, ...rest });

describe.each(operations)('$name', (operation) => {
  const ids = ownIds(operation.path);
  const path = filled(operation.path, ids);
  const body = operation.body && sample(operation.body);
  const queries = operation.parameters.filter(({ in: where }) => where === 'query');
  const headers = operation.parameters.filter(({ in: where }) => where === 'header');

  async function attack(text: string): Promise<void> {
    for (const field of operation.body ? textFieldsOf(operation.body) : [])
      for (const attacking of bodiesWith(operation.body ?? {}, field, text)) {
        const answer = expectSound(await send(operation, path, { body: attacking }), `${field} ${text}`);
        if (answer.status < 300) expectUnchanged(answer, field, text);
      }
    for (const { name } of queries)
      expectSound(await send(operation, `${path}?${name}=${encodeURIComponent(text)}`, {}), `${name} ${text}`);
    for (const name of namesIn(operation.path)) {
      const odd = filled(operation.path, { ...ids, [name]: text });
      expect(expectSound(await send(operation, odd, body === undefined ? {} : { body }), odd).status).toBe(404);
    }
    if (!/^[ -ÿ]+$/.test(text)) return;
    for (const { name } of headers)
      expectSound(await send(operation, path, { body, headers: { [name]: text } }), `${name} ${text}`);
  }

  it('treats SQL and control characters as text everywhere', async () => {
    await Promise.all(texts.map(attack));
    expect(await tables()).toEqual(before);
  });
});

/** An answer that contains the field shows it as sent, except for surrounding whitespace. */
function expectUnchanged(answer: Answer, field: string, text: string): void {
  const shown = Object.values(answer.body).flatMap((value) =>
    typeof value === 'object' && value !== null && field in value ? [(value as Record<string, unknown>)[field]] : [],
  );
  for (const value of shown) expect([text.trim(), [text.trim()], text.toLowerCase()]).toContainEqual(value);
}
