/** The two pages that browsers open, the queue board and the docs: in a real browser, under the policies that they are sent with. */

import { testPassword } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium } from '../../apps/worker/src/pages/chromium/find-chromium.ts';

const { call, newPerson, submit, url } = await startPlatform({ worker: false });
const operator = await newPerson({ role: 'operator' });
const tenant = await newPerson({ tokens: 1_000 });

let browser: Browser;
beforeAll(async () => {
  const executablePath = await findChromium(undefined);
  browser = await chromium.launch({ ...(executablePath && { executablePath }), chromiumSandbox: false });
});
afterAll(() => browser?.close());

/** Opens a page, and hears what its policy forbade. */
async function open(path: string) {
  const context = await browser.newContext({ httpCredentials: { username: operator.email, password: testPassword } });
  const page = await context.newPage();
  const forbidden: string[] = [];
  page.on('console', (message) => {
    if (/content security policy/i.test(message.text())) forbidden.push(message.text());
  });
  await page.goto(`${url}${path}`, { waitUntil: 'load' });
  return { page, forbidden, context };
}

const policyOf = async (path: string): Promise<string[]> =>
  ((await call('GET', path, { token: operator.token })).headers.get('content-security-policy') ?? '').split(/\s*;\s*/);

describe.each(['/admin/queues', '/admin/queues/api/queues', '/admin/queues/nothing', '/docs'])('%s', (path) => {
  it('runs no script but its own files’, and shows itself in no other site’s frame', async () => {
    const policy = await policyOf(path);
    expect(policy).toEqual(
      expect.arrayContaining(["default-src 'self'", "base-uri 'self'", "form-action 'self'", "frame-ancestors 'self'"]),
    );
    expect(policy.filter((rule) => rule.startsWith('script-src') && rule.includes('unsafe'))).toEqual([]);
    const { headers } = await call('GET', path);
    expect(headers.get('x-frame-options')).toBe('SAMEORIGIN');
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });
});

it('the board works under its policy, which forbids it a font server and nothing else', async () => {
  const jobId = await submit(tenant.token, 'Does it show?');
  const { page, forbidden, context } = await open('/admin/queues/queue/ask-question?status=prioritized');
  await page.getByText(`${jobId}_1`).first().waitFor();
  expect(forbidden.filter((text) => !text.includes('fonts.googleapis.com'))).toEqual([]);
  await context.close();
});

it('the docs work under theirs', async () => {
  const { page, forbidden, context } = await open('/docs');
  await page.getByText('/api/ai/ask-question').first().waitFor();
  expect(forbidden).toEqual([]);
  await context.close();
});

it('no other site reads an answer of the API or the board, and none is allowed to ask', async () => {
  const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' };
  for (const path of ['/api/jobs', '/admin/queues/api/queues', '/webhooks/instagram', '/openapi.json'])
    for (const method of ['OPTIONS', 'GET']) {
      const answer = await call(method, path, { headers });
      for (const [name] of answer.headers) expect(name).not.toMatch(/^access-control-/);
    }
});
