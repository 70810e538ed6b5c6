/** Another account's things do not exist, at every address and in every field that takes an id: generated from the document. */
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
const stranger = await newPerson({ tokens: 50_000 });
const operator = await newPerson({ role: 'operator', tokens: 50_000 });
const marker = 'Wilhelmina';
const [theirs, own] = await Promise.all([
  makeResources(platform, { ...owner, marker }),
  makeResources(platform, { ...stranger, marker: 'mine' }),
]);

/** What is said, but for what differs from request to request. */
const said = ({ status, body }: Answer) => ({ status, body: { ...body, request_id: '' } });
/** `/api/a/{id}/b/{x}` up to and with `{x}`: where the thing that x names is found. */
const placeOf = (path: string, name: string) => path.slice(0, path.indexOf(`{${name}}`) + name.length + 2);
const idsOf = (resources: Resources, path: string) =>
  Object.fromEntries(namesIn(path).map((name) => [name, resourceAt(resources, placeOf(path, name)).id]));
const send = (operation: Operation, path: string, person?: Person, body = operation.body && sample(operation.body)) =>
  call(operation.method, path, { ...(person && { token: person.token }), ...(body !== undefined && { body }) });

describe.each(operations.filter(({ path }) => path.includes('{') && !path.startsWith('/api/admin')))(
  '$name',
  (operation) => {
    const { path, name } = operation;

    it('says 404 of another account’s id as of one that nothing has, and leaves it as it is', async () => {
      const all = namesIn(path).map((one) => resourceAt(theirs, placeOf(path, one)));
      const before = await Promise.all(all.map((resource) => resource.look()));
      const nobodys = Object.fromEntries(namesIn(path).map((one) => [one, newId()]));
      for (const person of [stranger, operator]) {
        const nothing = await send(operation, filled(path, nobodys), person);
        expect(nothing, name).toMatchObject({ status: 404, body: { error_code: 'not_found' } });
        for (const ids of mixed(path))
          expect(said(await send(operation, filled(path, ids), person))).toEqual(said(nothing));
      }
      expect(await Promise.all(all.map((resource) => resource.look()))).toEqual(before);
    });

    it('says 401 to nobody, whether the id is somebody’s or not', async () => {
      for (const ids of [idsOf(theirs, path), Object.fromEntries(namesIn(path).map((one) => [one, newId()]))])
        expect(await send(operation, filled(path, ids))).toMatchObject({
          status: 401,
          body: { error_code: 'unauthenticated' },
        });
    });
  },
);

/** Every way to name the owner's things, where there are several with the stranger's own among them. */
function mixed(path: string): Record<string, string>[] {
  const names = namesIn(path);
  const [a, b] = [idsOf(theirs, path), idsOf(own, path)];
  const ways = Array.from({ length: 2 ** names.length - 1 }, (_, bits) => bits);
  return ways.map((bits) =>
    Object.fromEntries(names.map((name, i) => [name, ((bits >> i) & 1 ? b[name] : a[name]) ?? ''])),
  );
}

/** Which thing a field of a body names; those of Instagram's are nobody's here. */
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

/** The value of an id field that names one of these things; undefined where it names nothing that an account has. */
async function valueFor(field: string, resources: Resources): Promise<string | undefined> {
  const place = places[field];
  if (place === undefined)
    throw new Error(
      `what does the field ${field} name? Add it to the places in test/security/others-resources.test.ts`,
    );
  if (place === null) return undefined;
  const resource = resourceAt(resources, place);
  if (field !== 'ig_user_id') return resource.id;
  return ((await resource.look()) as { ig_user_id: string }).ig_user_id;
}

/** Whoever has an Instagram account's token connects it, which one account at a time can: that one is taken shows. */
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
/** Everything else in a body is the caller's own, and new: what is refused is refused for the field in question. */
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

/** What became of a request: its answer or, where it became a job, how that ended. Ids may differ. */
async function outcome(answer: Answer): Promise<unknown> {
  if (answer.status !== 202) return withoutIds(said(answer));
  const { status, error, error_code, result } = await poll(stranger.token, String(answer.body.job_id));
  return withoutIds({ status, error, error_code, result });
}
const withoutIds = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value)
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}|178414\d+|(?<="message_id":")[^"]+/g, 'id')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'time'),
  );

describe.each(idFields.filter((one) => !isClaim(one)))('the field $field of $name', (operation) => {
  it('takes another account’s id for one that nothing has', async () => {
    const theirValue = await valueFor(operation.field, theirs);
    if (theirValue === undefined) return;
    const nobodys = operation.field === 'ig_user_id' ? '17841499999999999' : newId();
    const path = filled(operation.path, idsOf(own, operation.path));
    const before = await Promise.all([...theirs.values()].map((resource) => resource.look()));
    const outcomes = await Promise.all(
      [theirValue, nobodys].map(async (value) => {
        const bodies = await ownBodies(operation, value);
        return Promise.all(bodies.map(async (body) => outcome(await send(operation, path, stranger, body))));
      }),
    );
    expect(outcomes[0]).toEqual(outcomes[1]);
    expect(JSON.stringify(outcomes)).not.toContain(marker);
    expect(await Promise.all([...theirs.values()].map((resource) => resource.look()))).toEqual(before);
  });
});

it('an Instagram account that is connected elsewhere stays there', async () => {
  const account = resourceAt(theirs, '/api/instagram/accounts/{id}');
  const before = await account.look();
  const claim = { ig_user_id: await valueFor('ig_user_id', theirs), username: 'mine', access_token: 'my-token' };
  const refused = await call('POST', '/api/instagram/accounts', { token: stranger.token, body: claim });
  expect(refused).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
  expect(await account.look()).toEqual(before);
});

const lists = operations.filter(({ method, path }) => method === 'GET' && !path.includes('{'));

describe.each(lists.filter(({ path }) => !path.startsWith('/api/admin')))('$name', (operation) => {
  it('shows nothing of another account, whatever its query names', async () => {
    const nobody = await newPerson({ tokens: 100 });
    const queries = operation.parameters.filter(
      ({ in: where, schema }) => where === 'query' && schema.format === 'uuid',
    );
    const ids = [...theirs.values()].map(({ id }) => id);
    const asked = ['', ...queries.flatMap(({ name }) => ids.map((id) => `?${name}=${id}`))];
    for (const query of asked) {
      const answer = await call('GET', `${operation.path}${query}`, { token: nobody.token });
      expect(answer.status, `${query} ${answer.text}`).toBe(200);
      expect(answer.text).not.toContain(marker);
      for (const id of [...ids, owner.email, owner.accountId]) expect(answer.text).not.toContain(id);
    }
  });
});
