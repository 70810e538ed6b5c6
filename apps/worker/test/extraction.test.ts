import { type Body, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';

const platform = await startPlatform();
const { call, newPerson, run, shopUrl } = platform;
const path = '/api/web-knowledge/extract-products';

type Product = {
  id: string;
  name: string;
  price: number | null;
  currency: string | null;
  currency_label: string | null;
  sources: Body;
};
type Extracted = { url: string; products: Product[]; qa_job_ids: string[]; asked_model: boolean };
const extract = (token: string, page: string, more: object = {}) =>
  run<Extracted>(token, path, { url: `${shopUrl}${page}`, ...more });

describe('extraction', { timeout: 60_000 }, () => {
  it('from structured data is free and updates an existing product', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const first = await extract(token, '/products/aurora-desk-lamp');
    const again = await extract(token, '/products/aurora-desk-lamp?utm_source=mail#reviews');
    expect(first).toMatchObject({ status: 'completed', tokens_consumed: 0, result: { asked_model: false } });
    expect(first.result?.products).toMatchObject([{ price: 129, currency: 'EUR', sources: { price: 'jsonld' } }]);
    expect(again.result?.products[0]?.id).toBe(first.result?.products[0]?.id);
    const { body } = await call<{ products: Product[] }>('GET', '/api/products', { token });
    expect(body.products).toHaveLength(1);
  });

  it('keeps the owner’s corrections, which answers use', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const { result } = await extract(token, '/products/lumen-floor-lamp');
    const id = result?.products[0]?.id;
    const corrected = await call('PATCH', `/api/products/${id}`, { token, body: { price: 199.5 } });
    expect(corrected.body).toMatchObject({ product: { price: 199.5, sources: { price: 'owner' } } });
    const again = await extract(token, '/products/lumen-floor-lamp');
    expect(again.result?.products[0]).toMatchObject({ price: 199.5, sources: { price: 'owner' } });
    const answer = await platform.ask(token, 'What is the price of the Lumen floor lamp?');
    expect(answer.result?.answer).toContain('199.50');
    expect(answer.result?.sources).toMatchObject([{ kind: 'product', id }]);
  });

  it('uses the model only without structured data, and verifies it', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const job = await extract(token, '/de/produkte/kronleuchter-nordlicht');
    expect(job.tokens_consumed).toBeGreaterThan(0);
    expect(job.result?.products).toMatchObject([{ price: 1234.56, currency: 'EUR', sources: { price: 'model' } }]);
    const trap = await extract(token, '/products/hidden-instructions');
    expect(trap.result?.products.every(({ price }) => price === null || price === 46)).toBe(true);
  });

  it('reads content added by scripts or by scrolling', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const [late, scrolled] = await Promise.all([
      extract(token, '/products/halo-wall-light'),
      extract(token, '/products/drift-lantern'),
    ]);
    expect(late.result?.products).toMatchObject([{ price: 89.5 }]);
    expect(scrolled.result?.products).toHaveLength(1);
  });

  it('generates questions about its products in jobs of their own', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const { result } = await extract(token, '/products/beacon-reading-light', { generate_qa: true });
    const [child] = result?.qa_job_ids ?? [];
    const written = await platform.poll<{ pairs: unknown[] }>(token, child ?? '');
    expect(written).toMatchObject({ task: 'product-qa', status: 'completed' });
    const productId = result?.products[0]?.id;
    const { body } = await call<{ qa: unknown[] }>('GET', `/api/qa?product_id=${productId}`, { token });
    expect(body.qa).toHaveLength(written.result?.pairs.length ?? -1);
    expect((await call('DELETE', `/api/products/${productId}`, { token })).status).toBe(200);
    expect((await call<{ qa: unknown[] }>('GET', '/api/qa', { token })).body.qa).toEqual([]);
  });

  it('is answered as corrected, despite questions generated before', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const { result } = await extract(token, '/products/aurora-desk-lamp', { generate_qa: true });
    const id = result?.products[0]?.id;
    await platform.poll(token, result?.qa_job_ids[0] ?? '');
    await call('PATCH', `/api/products/${id}`, { token, body: { price: 99 } });
    const answer = await platform.ask(token, 'How much does the Aurora desk lamp cost?');
    expect(answer.result?.answer).toContain('99');
    expect(answer.result?.answer).not.toContain('129');
    const written = await run<{ pairs: { answer: string }[] }>(token, '/api/web-knowledge/generate-qa', {
      product_id: id,
    });
    expect(written.result?.pairs.map((pair) => pair.answer).join('\n')).toContain('99');
    const { body } = await call<{ jobs: { id: string }[] }>('GET', '/api/jobs', { token });
    // Newest first; jobs that a job submitted are right above it.
    const [child] = result?.qa_job_ids ?? [];
    expect(body.jobs.map((job) => job.id).slice(0, 3)).toEqual([written.id, answer.id, child]);
  });

  it('of a list page recognises products read from their own pages', async () => {
    const { token } = await newPerson({ tokens: 20_000 });
    await extract(token, '/products/aurora-desk-lamp');
    await extract(token, '/collections/lamps');
    await extract(token, '/products/lumen-floor-lamp');
    const { body } = await call<{ products: (Product & { sku: string | null })[] }>('GET', '/api/products', { token });
    const names = body.products.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(2);
    expect(new Set(names).size).toBe(names.length);
    expect(body.products.find(({ name }) => name.startsWith('Aurora'))?.sku).not.toBeNull();
  });

  it('fails with a distinct code for each kind of unreadable page', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const codes = await Promise.all(
      ['/blocked', '/gone', '/redirect?to=metadata', '/redirect?to=private'].map(
        async (page) => (await extract(token, page)).error_code,
      ),
    );
    expect(codes).toEqual(['blocked', 'page_not_found', 'address_refused', 'address_refused']);
  });

  it('of a non-public address is refused at submission', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    for (const url of [
      'http://127.0.0.1/',
      'http://[::1]/',
      'http://169.254.169.254/',
      'http://shop.example:6379/',
      'http://a:b@shop.example/',
      'file:///etc/passwd',
    ]) {
      for (const body of [{ url }]) expect(await call('POST', path, { token, body })).toMatchObject({ status: 400 });
      expect(await call('POST', '/api/web-knowledge/generate-qa', { token, body: { url } })).toMatchObject({
        status: 400,
      });
    }
    const poor = await newPerson({ tokens: 0 });
    expect(await call('POST', path, { token: poor.token, body: { url: 'http://127.0.0.1/' } })).toMatchObject({
      status: 402,
    });
  });

  it('reports its progress', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const { body } = await call<{ job_id: string }>('POST', path, { token, body: { url: `${shopUrl}/slow?ms=1500` } });
    const seen = new Set<string | null>();
    await until(async () => {
      const answer = await call<{ job: { status: string; progress: string | null } }>(
        'GET',
        `/api/jobs/${body.job_id}`,
        { token },
      );
      seen.add(answer.body.job.progress);
      return answer.body.job.status === 'completed';
    });
    expect([...seen]).toContain('opening');
  });
});

describe('non-English text', { timeout: 60_000 }, () => {
  const texts = {
    Persian: 'چراغِ رومیزی «آورورا» ۱٬۲۹۰٬۰۰۰ تومان قیمت دارد و می‌تواند نور را کم کند.',
    Arabic: 'مصباح المكتب أورورا متوفر باللون الأسود بسعر ١٢٩ يورو.',
    Turkish: 'Işıklı çalışma lambası İstanbul’da 1.299,90 TL’ye satılıyor.',
    Japanese: '卓上ランプ「オーロラ」は二万八千六百円、調光できます。',
  };

  it.each(Object.entries(texts))('in %s passes every task with its code points unchanged', async (_language, text) => {
    const { token } = await newPerson({ tokens: 100_000 });
    await call('POST', '/api/knowledge', { token, body: { title: text.slice(0, 20), text } });
    const { db } = platform.api.services;
    const inputOf = async (id: string): Promise<unknown> =>
      (await db.pool.query<{ input: unknown }>('select input from jobs where id = $1', [id])).rows[0]?.input;

    const asked = await platform.ask(token, text);
    expect(asked.result?.answer).toContain(text.split(/[.。]/)[0]?.slice(0, 15));
    const prompt = await run<{ prompt: string }>(token, '/api/web-knowledge/generate-prompt', { prompt: text });
    expect(prompt.result?.prompt).toContain(text);
    const pairs = await run<{ pairs: { answer: string }[] }>(token, '/api/web-knowledge/generate-qa', { text });
    expect(pairs.result?.pairs.map(({ answer }) => answer).join('\n')).toContain(text.slice(0, 12));
    const chat = await run<{ conversation_id: string }>(token, '/api/chat/messages', {
      customer: text.slice(0, 30),
      text,
    });
    const { body } = await call<{ messages: { text: string }[] }>(
      'GET',
      `/api/chat/conversations/${chat.result?.conversation_id}`,
      { token },
    );
    expect(body.messages[0]?.text).toBe(text);
    for (const job of [asked, prompt, pairs, chat]) {
      expect(job.status).toBe('completed');
      expect(JSON.stringify(await inputOf(job.id))).toContain(JSON.stringify(text).slice(1, -1));
    }

    const ig = `1784149000000000${Object.values(texts).indexOf(text)}`;
    await call('POST', '/api/instagram/accounts', {
      token,
      body: { ig_user_id: ig, username: 'shop', access_token: 't' },
    });
    const comment = { ig_user_id: ig, comment_id: ig, text };
    const dm = await run<{ text: string }>(token, '/api/workflow/instagram-dm', comment);
    expect(dm).toMatchObject({ status: 'completed', result: { sent: true } });
    const [sent] = platform.sandbox.instagram.sends.list({ ig_user_id: ig });
    expect(sent?.text).toBe(dm.result?.text);
    expect(sent?.text).toContain(text.split(/[.。]/)[0]?.slice(0, 15));
  });
});
