/** The queue board and the docs in a real browser, under their Content-Security-Policy. */
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

/** Opens a page and collects violations of its policy. */
async function open(path: string) {
  const context = await browser.newContext({ httpCredentials: { username: operator.email, password: testPassword } });
  const page = await context.newPage();
  const violations: string[] = [];
  page.on('console', (message) => {
    if (/content security policy/i.test(message.text())) violations.push(message.text());
  });
  await page.goto(`${url}${path}`, { waitUntil: 'load' });
  return { page, violations, context };
}

const policyOf = async (path: string): Promise<string[]> =>
  ((await call('GET', path, { token: operator.token })).headers.get('content-security-policy') ?? '').split(/\s*;\s*/);

describe.each(['/admin/queues', '/admin/queues/api/queues', '/admin/queues/nothing', '/docs'])('%s', (path) => {
  it('allows only own script files and same-origin frames', async () => {
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

it('the board works under its policy; only web fonts are blocked', async () => {
  const jobId = await submit(tenant.token, 'Does it show?');
  const { page, violations, context } = await open('/admin/queues/queue/ask-question?status=prioritized');
  await page.getByText(`${jobId}_1`).first().waitFor();
  expect(violations.filter((text) => !text.includes('fonts.googleapis.com'))).toEqual([]);
  await context.close();
});

it('the docs work under their policy', async () => {
  const { page, violations, context } = await open('/docs');
  await page.getByText('/api/ai/ask-question').first().waitFor();
  expect(violations).toEqual([]);
  await context.close();
});

it('no answer of the API or the board allows another origin', async () => {
  const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' };
  for (const path of ['/api/jobs', '/admin/queues/api/queues', '/webhooks/instagram', '/openapi.json'])
    for (const method of ['OPTIONS', 'GET']) {
      const answer = await call(method, path, { headers });
      for (const [name] of answer.headers) expect(name).not.toMatch(/^access-control-/);
    }
});
