/** Pages that block or crash the process that parses them, and the worker that must not be affected. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createLogger } from '@tally/core';
import { startPlatform } from '@tally/testing/vitest';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { createExtractionPool } from '../src/extraction-pool/pool.ts';
import { failure, productData } from './pages/web.ts';

const pages: Record<string, string> = {
  /** 700 fonts around 700 paragraphs: an error-correcting parser creates 490,000 elements; more take a gigabyte. */
  '/fonts': `<script>
    const p = document.createElement('p');
    let inner = p;
    for (let i = 0; i < 700; i++) { const font = document.createElement('font'); font.size = i; inner.append(font); inner = font; }
    for (let i = 0; i < 700; i++) inner.append(Object.assign(document.createElement('p'), { textContent: 'x' }));
    document.body.append(p);
  </script>`,
  '/digits': `<h1>Pan</h1><p>${'1'.repeat(100_000)}</p>`,
  '/plain': `<h1>Kettle</h1><p>$49.90</p>${productData}`,
};
const site = createServer((request, response) => {
  response.setHeader('content-type', 'text/html');
  response.end(`<!doctype html><html lang="en"><body>${pages[request.url ?? ''] ?? ''}</body></html>`);
});
site.listen(0, '127.0.0.1');
await once(site, 'listening');
afterAll(() => void site.close());
const host = `127.0.0.1:${(site.address() as AddressInfo).port}`;
const platform = await startPlatform({ env: { EXTRACTION_ALLOW_HOSTS: host } });

/** The result of `work`, and the longest block of the event loop of this process, which runs both API and worker. */
async function measured<T>(work: () => Promise<T>): Promise<{ outcome: T; blockedMs: number }> {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const outcome = await work();
  delay.disable();
  return { outcome, blockedMs: delay.max / 1e6 };
}

describe('page that is expensive to parse', { timeout: 60_000 }, () => {
  it.each(['/fonts', '/digits'])('affects only its own job: %s', async (page) => {
    const { token } = await platform.newPerson({ tokens: 10_000 });
    const { outcome, blockedMs } = await measured(() =>
      platform.run(token, '/api/web-knowledge/extract-products', { url: `http://${host}${page}` }),
    );
    expect([outcome.status, outcome.error_code]).toEqual(
      outcome.status === 'completed' ? ['completed', null] : ['failed', 'too_large'],
    );
    expect(blockedMs).toBeLessThan(5_000);
  });

  it('is parsed for Q&A in a child process, too', async () => {
    const { token } = await platform.newPerson({ tokens: 10_000 });
    const { outcome } = await measured(() =>
      platform.run(token, '/api/web-knowledge/generate-qa', { url: `http://${host}/plain` }),
    );
    expect(outcome.status).toBe('completed');
  });
});

describe('parsing a page in a child process', { timeout: 60_000 }, () => {
  const page = (html: string) => ({ url: 'http://shop.test/', status: 200, html });
  const open = (limits: { deadlineMs?: number } = {}, signal = new AbortController().signal) => {
    const { read, close } = createExtractionPool(createLogger('test', 'silent'), limits);
    onTestFinished(close);
    return (html: ReturnType<typeof page>) => read('readPageText', { page: html, maxCharacters: 100_000 }, signal);
  };
  const plain = page('<html><head><title>Shop</title></head><body><p>Hello</p></body></html>');
  /** The parser's time is quadratic in the depth. */
  const deep = page(`${'<div>'.repeat(800_000)}x`);
  /** Each element becomes an object of some hundred bytes. */
  const wide = page('<b></b>'.repeat(1_400_000));
  const tooComplex = { code: 'too_large', message: 'The page is too complex to be read' };

  it('returns the function’s result', async () => {
    expect(await open()(plain)).toBe('Shop\nHello');
  });

  it('is killed at its timeout, and the next page gets a new child', async () => {
    const read = open({ deadlineMs: 5_000 });
    const { outcome, blockedMs } = await measured(() => Promise.all([deep, deep].map((each) => failure(read(each)))));
    expect(outcome).toEqual([tooComplex, tooComplex]);
    expect(blockedMs).toBeLessThan(5_000);
    expect(await read(plain)).toBe('Shop\nHello');
  });

  it('is killed at its heap limit, and the next page gets a new child', async () => {
    const read = open({ deadlineMs: 60_000 });
    expect(await failure(read(wide))).toEqual(tooComplex);
    expect(await read(plain)).toBe('Shop\nHello');
  });

  it('ends when its job is aborted', async () => {
    const stop = new AbortController();
    const work = open({}, stop.signal)(deep);
    setTimeout(() => stop.abort(new Error('stopped')), 300);
    await expect(work).rejects.toThrow('stopped');
  });

  it('passes other errors on', async () => {
    await expect(open()(undefined as never)).rejects.toThrow(TypeError);
  });
});
