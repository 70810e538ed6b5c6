/** Whatever a page does to the process that reads it, the worker goes on. */
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
  /** 700 fonts around 700 paragraphs: a parser that repairs makes 490,000 elements of it, and a gigabyte of more. */
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

/** What `work` comes to, and the longest that this process, which is API and worker at once, could do nothing else. */
async function watched<T>(work: () => Promise<T>): Promise<{ outcome: T; blockedMs: number }> {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const outcome = await work();
  delay.disable();
  return { outcome, blockedMs: delay.max / 1e6 };
}

describe('a page that is hard to read', { timeout: 60_000 }, () => {
  it.each(['/fonts', '/digits'])('ends its own job only: %s', async (page) => {
    const { token } = await platform.newPerson({ tokens: 10_000 });
    const { outcome, blockedMs } = await watched(() =>
      platform.run(token, '/api/web-knowledge/extract-products', { url: `http://${host}${page}` }),
    );
    expect([outcome.status, outcome.error_code]).toEqual(
      outcome.status === 'completed' ? ['completed', null] : ['failed', 'too_large'],
    );
    expect(blockedMs).toBeLessThan(1_000);
  });

  it('is read for its text in such a process, too', async () => {
    const { token } = await platform.newPerson({ tokens: 10_000 });
    const { outcome } = await watched(() =>
      platform.run(token, '/api/web-knowledge/generate-qa', { url: `http://${host}/plain` }),
    );
    expect(outcome.status).toBe('completed');
  });
});

describe('reading a page in a child process', { timeout: 60_000 }, () => {
  const page = (html: string) => ({ url: 'http://shop.test/', status: 200, html });
  const open = (limits: { deadlineMs?: number } = {}, signal = new AbortController().signal) => {
    const { read, close } = createExtractionPool(createLogger('test', 'silent'), limits);
    onTestFinished(close);
    return (html: ReturnType<typeof page>) => read('readPageText', { page: html, maxCharacters: 100_000 }, signal);
  };
  const plain = page('<html><head><title>Shop</title></head><body><p>Hello</p></body></html>');
  /** Depth is what the parser's own time grows with the square of. */
  const deep = page(`${'<div>'.repeat(800_000)}x`);
  /** Every one of these becomes an object of some hundred bytes. */
  const wide = page('<b></b>'.repeat(1_400_000));
  const tooComplex = { code: 'too_large', message: 'The page is too complex to be read' };

  it('returns what the function returns', async () => {
    expect(await open()(plain)).toBe('Shop\nHello');
  });

  it('ends when its time is over, and the next ones find another', async () => {
    const read = open({ deadlineMs: 3_000 });
    const { outcome, blockedMs } = await watched(() =>
      Promise.all([deep, deep, deep].map((each) => failure(read(each)))),
    );
    expect(outcome).toEqual([tooComplex, tooComplex, tooComplex]);
    expect(blockedMs).toBeLessThan(2_000);
    expect(await read(plain)).toBe('Shop\nHello');
  });

  it('ends when its memory is used up, and the next ones find another', async () => {
    const read = open({ deadlineMs: 60_000 });
    expect(await failure(read(wide))).toEqual(tooComplex);
    expect(await read(plain)).toBe('Shop\nHello');
  });

  it('ends with the job that asked for it', async () => {
    const stop = new AbortController();
    const work = open({}, stop.signal)(deep);
    setTimeout(() => stop.abort(new Error('stopped')), 300);
    await expect(work).rejects.toThrow('stopped');
  });

  it('passes on what is no matter of size', async () => {
    await expect(open()(undefined as never)).rejects.toThrow(TypeError);
  });
});
