import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';

const { call, newPerson } = await startPlatform({ worker: false });

type Entry = { id: string; title: string; text: string; created_at: string };
type Page = { knowledge: Entry[]; next_cursor: string | null };

const add = (token: string, title: string, text: string) =>
  call<{ success: true; knowledge: Entry }>('POST', '/api/knowledge', { token, body: { title, text } });

describe('knowledge', () => {
  it('is kept as it was sent, trimmed, in any script', async () => {
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

  it('is listed by cursor, newest first, each once', async () => {
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

  it('comes in pages that end early where its texts are large, and the cursor leads through all of them', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    const ids: string[] = [];
    // Three bytes a character in UTF-8: the entry that reaches 1 MiB is the 5th.
    const large = '€'.repeat(70_000);
    for (let i = 0; i < 8; i++) ids.push((await add(token, `Entry ${i}`, large)).body.knowledge.id);
    const first = (await call<Page>('GET', '/api/knowledge?limit=100', { token })).body;
    expect(first.knowledge.map(({ id }) => id)).toEqual(ids.slice(3).toReversed());
    const rest = await call<Page>('GET', `/api/knowledge?limit=100&cursor=${first.next_cursor}`, { token });
    expect(rest.body.knowledge.map(({ id }) => id)).toEqual(ids.slice(0, 3).toReversed());
    expect(rest.body.next_cursor).toBe(null);
  });

  it('is gone once deleted, and deleting it twice is 404', async () => {
    const { token } = await newPerson();
    const { id } = (await add(token, 'Short-lived', 'Text.')).body.knowledge;
    expect(await call('DELETE', `/api/knowledge/${id}`, { token })).toMatchObject({
      status: 200,
      body: { success: true },
    });
    expect((await call('DELETE', `/api/knowledge/${id}/`, { token })).status).toBe(404);
    expect((await call<Page>('GET', '/api/knowledge', { token })).body.knowledge).toEqual([]);
  });

  it('is the account’s own', async () => {
    const [mine, theirs] = [await newPerson(), await newPerson()];
    await add(theirs.token, 'Theirs', 'Text.');
    expect((await call<Page>('GET', '/api/knowledge', { token: mine.token })).body.knowledge).toEqual([]);
  });

  it('has limits: a title, 100,000 characters, and text worth keeping', async () => {
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

  it('may hold words that mean something to a search', async () => {
    const { token } = await newPerson();
    for (const text of ["'; drop table knowledge; --", "a & b | !c <-> 'd' :*", "\\ \\' %", '💥'.repeat(1_000)])
      expect((await add(token, text.slice(0, 100), text)).status).toBe(201);
  });
});
