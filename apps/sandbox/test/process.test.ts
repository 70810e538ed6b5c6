import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readConfig } from '../src/config.ts';
import { createSandbox } from '../src/server.ts';
import { model, useSandbox } from './fixture.ts';

const { url } = useSandbox();
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

test('the process says where it listens, and ends when told to', async () => {
  const child = fork(main, { env: { SANDBOX_DELAY_MS: '5' }, stdio: 'ignore' });
  const [message] = await once(child, 'message');
  const address = expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(message).toEqual({ ready: true, url: address, shop_url: address });
  expect(await (await fetch(message.shop_url)).text()).toContain('Aurora');
  const settings = await fetch(`${message.url}/sandbox/settings`);
  expect(await settings.json()).toMatchObject({ delay_ms: 5, output_tokens: null });
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('a process whose parent is gone ends too', async () => {
  const child = fork(main, { env: {}, stdio: 'ignore' });
  await once(child, 'message');
  child.disconnect();
  // By a signal, for nobody is left to notice an exit that hangs: packages/core/src/lifeline.ts.
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
});

test('closing ends a request that hangs at once', async () => {
  const sandbox = createSandbox();
  const listener = await sandbox.listen(0);
  const hanging = fetch(`${listener.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'x-sandbox-fault': 'hang' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello?' }] }),
  });
  hanging.catch(() => undefined);
  await expect.poll(() => sandbox.book.list().length).toBe(1);
  const startedAt = performance.now();
  await listener.close();
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  await expect(hanging).rejects.toThrow();
});

test('the home page links the book, and the health check is well', async () => {
  const home = await fetch(url());
  expect(home.headers.get('content-type')).toContain('text/html');
  expect(await home.text()).toContain('/sandbox/book');
  expect(await (await fetch(`${url()}/health`)).json()).toEqual({ status: 'ok' });
});

test('an address that is unknown is a 404 in the shape of the API', async () => {
  const answer = await fetch(`${url()}/v1/embeddings`, { method: 'POST' });
  expect(answer.status).toBe(404);
  expect(await answer.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
});

test('settings name the shop’s port, where webhooks go and what they are signed with', () => {
  const env = {
    SANDBOX_SHOP_PORT: '8200',
    SANDBOX_WEBHOOK_URL: 'http://[::1]/hook',
    SANDBOX_INSTAGRAM_APP_SECRET: 's',
  };
  expect(readConfig(env)).toMatchObject({
    shopPort: 8200,
    instagram: { webhookUrl: 'http://[::1]/hook', appSecret: 's' },
  });
});

test('settings that are unusable are all named at once', () => {
  expect(() => readConfig({ SANDBOX_PORT: 'many', SANDBOX_DELAY_MS: '-1' })).toThrow(
    /SANDBOX_PORT[\s\S]*SANDBOX_DELAY_MS/,
  );
  expect(readConfig({ SANDBOX_PORT: '' }).port).toBe(0);
  expect(() => readConfig({ SANDBOX_WEBHOOK_URL: 'file:///etc' })).toThrow('SANDBOX_WEBHOOK_URL');
});
