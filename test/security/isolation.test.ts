/** P6: every route and every id field treats another account's resource as missing; read from the OpenAPI document. */
import { newId } from '@tally/core';
import type { Answer, Person } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';
import { bodiesWith, filled, namesIn, type Operation, readOperations, sample } from './api-document.ts';
import { makeResources, type Resources, resourceAt } from './resources.ts';

const platform = await startPlatform();
const { call, newPerson, poll } = platform;
const operations = await readOperations(platform);
const owner = await newPerson({ tokens: 50_000 });
const otherTenant = await newPerson({ tokens: 50_000 });
const operator = await newPerson({ role: 'operator', tokens: 50_000 });
const marker = 'Wilhelmina';
const [theirs, own] = await Promise.all([
  makeResources(platform, { ...owner, marker }),
  makeResources(platform, { ...otherTenant, marker: 'mine' }),
]);

/** Status and body without the request id, for comparing answers. */
const comparable = ({ status, body }: Answer) => ({ status, body: { ...body, request_id: '' } });
/** The path of a parameter's resource: `/api/a/{id}/b/{x}` up to and including `{x}`. */
const placeOf = (path: string, name: string) => path.slice(0, path.indexOf(`{${name}}`) + name.length + 2);
const idsOf = (resources: Resources, path: string) =>
  Object.fromEntries(namesIn(path).map((name) => [name, resourceAt(resources, placeOf(path, name)).id]));
const send = (operation: Operation, path: string, person?: Person, body = operation.body && sample(operation.body)) =>
  call(operation.method, path, { ...(person && { token: person.token }), ...(body !== undefined && { body }) });

describe.each(operations.filter(({ path }) => path.includes('{') && !path.startsWith('/api/admin')))(
  'P6: $name',
  (operation) => {
    const { path, name } = operation;

    it('is 404 for another account’s id, as for an unknown one', async () => {
      const all = namesIn(path).map((one) => resourceAt(theirs, placeOf(path, one)));
      const before = await Promise.all(all.map((resource) => resource.read()));
      const unknown = Object.fromEntries(namesIn(path).map((one) => [one, newId()]));
      for (const person of [otherTenant, operator]) {
        const missing = await send(operation, filled(path, unknown), person);
        expect(missing, name).toMatchObject({ status: 404, body: { error_code: 'not_found' } });
        for (const ids of mixed(path))
          expect(comparable(await send(operation, filled(path, ids), person))).toEqual(comparable(missing));
      }
      expect(await Promise.all(all.map((resource) => resource.read()))).toEqual(before);
    });

    it('is 401 without authentication, whether the id exists or not', async () => {
      for (const ids of [idsOf(theirs, path), Object.fromEntries(namesIn(path).map((one) => [one, newId()]))])
        expect(await send(operation, filled(path, ids))).toMatchObject({
          status: 401,
          body: { error_code: 'unauthenticated' },
        });
    });
  },
);

/** Every combination of ids with at least one of the owner's, the others being the caller's own. */
function mixed(path: string): Record<string, string>[] {
  const names = namesIn(path);
  const [a, b] = [idsOf(theirs, path), idsOf(own, path)];
  const ways = Array.from({ length: 2 ** names.length - 1 }, (_, bits) => bits);
  return ways.map((bits) =>
    Object.fromEntries(names.map((name, i) => [name, ((bits >> i) & 1 ? b[name] : a[name]) ?? ''])),
  );
}

/** The resource that an id field refers to; null for ids of Instagram, which belong to no account. */
const places: Record<string, string | null> = {
  product_id: '/api/products/{id}',
  conversation_id: '/api/chat/conversations/{id}',
  workflow_id: '/api/workflows/{id}',
  ig_user_id: '/api/instagram/accounts/{id}',
  comment_id: null,
  from_id: null,
  media_ids: null,
  self_ig_scoped_id: null,
};

/** The value with which an id field refers to one of these resources; undefined for ids that belong to no account. */
async function valueFor(field: string, resources: Resources): Promise<string | undefined> {
  const place = places[field];
  if (place === undefined)
    throw new Error(`unknown resource of the field ${field}: add it to \`places\` in test/security/isolation.test.ts`);
  if (place === null) return undefined;
  const resource = resourceAt(resources, place);
  if (field !== 'ig_user_id') return resource.id;
  return ((await resource.read()) as { ig_user_id: string }).ig_user_id;
}

/** An Instagram account can be connected to one Tally account only, so its 409 does show that it is taken. */
const isClaim = ({ name, field }: { name: string; field: string }) =>
  name === 'POST /api/instagram/accounts' && field === 'ig_user_id';

const idFields = operations
  .filter(({ path }) => !path.startsWith('/api/admin'))
  .flatMap((operation) =>
    Object.keys(operation.body?.properties ?? {})
      .filter((field) => /_ids?$/.test(field))
      .map((field) => ({ ...operation, field })),
  );

let comments = 0;
/** Bodies whose other ids are the caller's own or new, so that a refusal is due to `field`. */
async function ownBodies({ body = {}, field }: Operation & { field: string }, value: string) {
  const others = Object.keys(body.properties ?? {}).filter(
    (name) => /_ids?$/.test(name) && name !== field && body.required?.includes(name),
  );
  const withOwn = async (one: object) => {
    const ids = others.map(async (name) => [name, (await valueFor(name, own)) ?? `1787${++comments}`] as const);
    return { ...one, ...Object.fromEntries(await Promise.all(ids)) };
  };
  return Promise.all(bodiesWith(body, field, value).map(withOwn));
}

/** The answer to a request or, for a 202, the job's end; ids and times are masked. */
async function outcome(answer: Answer): Promise<unknown> {
  if (answer.status !== 202) return withoutIds(comparable(answer));
  const { status, error, error_code, result } = await poll(otherTenant.token, String(answer.body.job_id));
  return withoutIds({ status, error, error_code, result });
}
const withoutIds = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value)
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}|178414\d+|(?<="message_id":")[^"]+/g, 'id')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'time'),
  );

describe.each(idFields.filter((one) => !isClaim(one)))('P6: the field $field of $name', (operation) => {
  it('treats another account’s id like an unknown one', async () => {
    const theirValue = await valueFor(operation.field, theirs);
    if (theirValue === undefined) return;
    const unknown = operation.field === 'ig_user_id' ? '17841499999999999' : newId();
    const path = filled(operation.path, idsOf(own, operation.path));
    const before = await Promise.all([...theirs.values()].map((resource) => resource.read()));
    const outcomes = await Promise.all(
      [theirValue, unknown].map(async (value) => {
        const bodies = await ownBodies(operation, value);
        return Promise.all(bodies.map(async (body) => outcome(await send(operation, path, otherTenant, body))));
      }),
    );
    expect(outcomes[0]).toEqual(outcomes[1]);
    expect(JSON.stringify(outcomes)).not.toContain(marker);
    expect(await Promise.all([...theirs.values()].map((resource) => resource.read()))).toEqual(before);
  });
});

it('P6: a connected Instagram account can’t be taken over', async () => {
  const account = resourceAt(theirs, '/api/instagram/accounts/{id}');
  const before = await account.read();
  const claim = { ig_user_id: await valueFor('ig_user_id', theirs), username: 'mine', access_token: 'my-token' };
  const refused = await call('POST', '/api/instagram/accounts', { token: otherTenant.token, body: claim });
  expect(refused).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
  expect(await account.read()).toEqual(before);
});

const lists = operations.filter(({ method, path }) => method === 'GET' && !path.includes('{'));

describe.each(lists.filter(({ path }) => !path.startsWith('/api/admin')))('P6: $name', (operation) => {
  it('lists nothing of another account, with any ids in its query', async () => {
    const newcomer = await newPerson({ tokens: 100 });
    const queries = operation.parameters.filter(
      ({ in: where, schema }) => where === 'query' && schema.format === 'uuid',
    );
    const ids = [...theirs.values()].map(({ id }) => id);
    const asked = ['', ...queries.flatMap(({ name }) => ids.map((id) => `?${name}=${id}`))];
    for (const query of asked) {
      const answer = await call('GET', `${operation.path}${query}`, { token: newcomer.token });
      expect(answer.status, `${query} ${answer.text}`).toBe(200);
      expect(answer.text).not.toContain(marker);
      for (const id of [...ids, owner.email, owner.accountId]) expect(answer.text).not.toContain(id);
    }
  });
});
