import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';

const { call, newPerson } = await startPlatform({ worker: false });

type Entry = { id: string; title: string; text: string; created_at: string };
type Page = { knowledge: Entry[]; next_cursor: string | null };

const add = (token: string, title: string, text: string) =>
  call<{ success: true; knowledge: Entry }>('POST', '/api/knowledge', { token, body: { title, text } });

describe('/api/knowledge', () => {
  it('stores trimmed text in any script', async () => {
    const { token } = await newPerson();
    const text = 'چراغ را بازگردانید. 🏮 It costs 129 € – “really”.\n\nSecond paragraph.';
    const { status, body } = await add(token, ' شرایط ', `\n${text} `);
    expect(status).toBe(201);
    expect(body).toEqual({
      success: true,
      knowledge: { id: expect.any(String), title: 'شرایط', text, created_at: expect.any(String) },
    });
    const listed = await call<Page>('GET', '/api/knowledge', { token });
    expect(listed.body).toEqual({ success: true, knowledge: [body.knowledge], next_cursor: null });
  });

  it('pages newest first, each entry once', async () => {
    const { token } = await newPerson();
    const ids: string[] = [];
    for (let i = 0; i < 12; i++) ids.push((await add(token, `Entry ${i}`, 'Text.')).body.knowledge.id);
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const after: string = cursor && `&cursor=${cursor}`;
      const { body }: { body: Page } = await call<Page>('GET', `/api/knowledge?limit=5${after}`, { token });
      seen.push(...body.knowledge.map(({ id }) => id));
      cursor = body.next_cursor;
    }
    expect(seen).toEqual(ids.toReversed());
  });

  it('ends a page early at 1 MiB of text, without losing entries', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    const ids: string[] = [];
    // At three bytes per character in UTF-8, the fifth entry reaches 1 MiB.
    const large = '€'.repeat(70_000);
    for (let i = 0; i < 8; i++) ids.push((await add(token, `Entry ${i}`, large)).body.knowledge.id);
    const first = (await call<Page>('GET', '/api/knowledge?limit=100', { token })).body;
    expect(first.knowledge.map(({ id }) => id)).toEqual(ids.slice(3).toReversed());
    const rest = await call<Page>('GET', `/api/knowledge?limit=100&cursor=${first.next_cursor}`, { token });
    expect(rest.body.knowledge.map(({ id }) => id)).toEqual(ids.slice(0, 3).toReversed());
    expect(rest.body.next_cursor).toBe(null);
  });

  it('deletes once, then returns 404', async () => {
    const { token } = await newPerson();
    const { id } = (await add(token, 'Short-lived', 'Text.')).body.knowledge;
    expect(await call('DELETE', `/api/knowledge/${id}`, { token })).toMatchObject({
      status: 200,
      body: { success: true },
    });
    expect((await call('DELETE', `/api/knowledge/${id}/`, { token })).status).toBe(404);
    expect((await call<Page>('GET', '/api/knowledge', { token })).body.knowledge).toEqual([]);
  });

  it('returns only the account’s own entries', async () => {
    const [mine, theirs] = [await newPerson(), await newPerson()];
    await add(theirs.token, 'Theirs', 'Text.');
    expect((await call<Page>('GET', '/api/knowledge', { token: mine.token })).body.knowledge).toEqual([]);
  });

  it('requires a title and text of at most 100,000 characters', async () => {
    const { token } = await newPerson();
    expect((await add(token, 'Long', 'word '.repeat(20_000).trim())).status).toBe(201);
    for (const [title, text] of [
      ['', 'x'],
      ['x', ''],
      ['x', ' '],
      ['x'.repeat(201), 'x'],
      ['x', 'x'.repeat(100_001)],
    ])
      expect((await add(token, title ?? '', text ?? '')).status).toBe(400);
  });

  it('accepts text with search and SQL syntax', async () => {
    const { token } = await newPerson();
    for (const text of ["'; drop table knowledge; --", "a & b | !c <-> 'd' :*", "\\ \\' %", '💥'.repeat(1_000)])
      expect((await add(token, text.slice(0, 100), text)).status).toBe(201);
  });
});
