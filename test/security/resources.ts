/** Creates one resource of every kind, by the path of its id. A new route with an id needs a maker here. */
import { inTransaction, upsertProducts } from '@tally/db';
import type { Body, Person, Platform } from '@tally/testing';
import { expect } from 'vitest';

export type Resource = {
  id: string;
  /** Returns the resource as its owner sees it. */
  read(): Promise<unknown>;
};
type Owner = Person & {
  /** Part of every text of these resources: an answer that contains it shows this account's text. */
  marker: string;
};
type Maker = (platform: Platform, owner: Owner, made: Resources) => Promise<Resource>;
/** By the path up to and including the id parameter. */
export type Resources = Map<string, Resource>;

/** In order of creation: a later maker may use earlier resources. */
const makers: Record<string, Maker> = {
  '/api/accounts/api-keys/{id}': async (platform, { token }) =>
    listed(
      platform,
      token,
      '/api/accounts/api-keys',
      'api_keys',
      await create(platform, token, '/api/accounts/api-keys', { name: 'theirs' }),
    ),
  '/api/knowledge/{id}': async (platform, { token, marker }) =>
    listed(
      platform,
      token,
      '/api/knowledge',
      'knowledge',
      await create(platform, token, '/api/knowledge', { title: 'Theirs', text: `The lamp costs 77 EUR. ${marker}` }),
    ),
  '/api/products/{id}': async (platform, { token, accountId, marker }) => {
    const row = { ...product, name: `Lamp ${marker}`, url: `https://shop.example/${accountId}` };
    const [kept] = await inTransaction(platform.api.services.db, (client) =>
      upsertProducts(client, accountId, [row], ({ name }) => name),
    );
    return found(platform, token, '/api/products', kept?.id);
  },
  '/api/qa/{id}': async (platform, { token, marker }) => {
    const text = `The ${marker} lamp has a guarantee of 5 years. The ${marker} lamp is made in Lisbon.`;
    const { result } = await platform.run<{ pairs: { id: string }[] }>(token, '/api/web-knowledge/generate-qa', {
      text,
    });
    return listed(platform, token, '/api/qa', 'qa', result?.pairs[0]?.id);
  },
  '/api/chat/conversations/{id}': async (platform, { token, marker }) => {
    const message = { customer: `anna ${marker}`, text: 'Hello there' };
    const { result } = await platform.run<{ conversation_id: string }>(token, '/api/chat/messages', message);
    return found(platform, token, '/api/chat/conversations', result?.conversation_id);
  },
  '/api/chat/conversations/{id}/messages/{message_id}': async (platform, { token }, made) => {
    const conversation = made.get('/api/chat/conversations/{id}')?.id;
    const path = `/api/chat/conversations/${conversation}`;
    const { body } = await platform.call<{ messages: { id: string; role: string }[] }>('GET', path, { token });
    const answer = body.messages.find(({ role }) => role === 'assistant');
    return { ...(await found(platform, token, '/api/chat/conversations', conversation)), id: answer?.id ?? '' };
  },
  '/api/instagram/accounts/{id}': async (platform, { token }) => {
    const account = { ig_user_id: newIgId(), username: 'theirs', access_token: 'their-token' };
    const id = await create(platform, token, '/api/instagram/accounts', account);
    return listed(platform, token, '/api/instagram/accounts', 'accounts', id);
  },
  '/api/workflows/{id}': async (platform, { token, marker }) => {
    const workflow = { ig_user_id: newIgId(), name: `Theirs ${marker}`, keywords: ['price'] };
    return listed(
      platform,
      token,
      '/api/workflows',
      'workflows',
      await create(platform, token, '/api/workflows', workflow),
    );
  },
  '/api/jobs/{id}': async (platform, { token, marker }) => {
    const id = await platform.submit(token, `What does the lamp cost? ${marker}`);
    await platform.poll(token, id);
    return found(platform, token, '/api/jobs', id);
  },
  '/api/admin/jobs/{id}': async (_platform, _owner, made) => resourceAt(made, '/api/jobs/{id}'),
};

const product = {
  price: 77,
  price_max: null,
  currency: 'EUR',
  currency_label: null,
  availability: 'in_stock' as const,
  sku: null,
  gtin: null,
  mpn: null,
  brand: null,
  description: null,
  images: [],
  sources: {},
};

let igIds = 0;
const newIgId = () => `178414000002${String(++igIds).padStart(5, '0')}`;

/** Creates one resource of every kind for an account with tokens. */
export async function makeResources(platform: Platform, owner: Owner): Promise<Resources> {
  const made: Resources = new Map();
  for (const [path, make] of Object.entries(makers)) {
    const resource = await make(platform, owner, made);
    expect(resource.id, path).toMatch(/^[0-9a-f-]{36}$/);
    made.set(path, resource);
  }
  return made;
}

/** The resource whose id ends `path`. @throws where it has no maker */
export function resourceAt(resources: Resources, path: string): Resource {
  const resource = resources.get(path);
  if (resource !== undefined) return resource;
  throw new Error(`no maker for ${path}: add one to test/security/resources.ts`);
}

async function create(platform: Platform, token: string, path: string, body: object): Promise<string | undefined> {
  const answer = await platform.call('POST', path, { token, body });
  expect(answer.status, answer.text).toBe(201);
  const made = Object.values(answer.body).find((value) => typeof value === 'object');
  return (made as { id?: string } | undefined)?.id;
}

/** A resource with its own GET route. */
async function found(platform: Platform, token: string, path: string, id = ''): Promise<Resource> {
  const read = async () => {
    const answer = await platform.call('GET', `${path}/${id}`, { token });
    expect(answer.status, answer.text).toBe(200);
    return answer.body;
  };
  await read();
  return { id, read };
}

/** A resource that is only visible in a list. */
async function listed(platform: Platform, token: string, path: string, key: string, id = ''): Promise<Resource> {
  const read = async () => {
    const answer = await platform.call<Record<string, Body[]>>('GET', path, { token });
    const resource = answer.body[key]?.find((one) => one.id === id);
    expect(resource, `${path} shows ${id}`).toBeDefined();
    return resource;
  };
  await read();
  return { id, read };
}
