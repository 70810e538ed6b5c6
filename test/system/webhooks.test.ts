/** A burst of webhooks, as Meta sends after an outage, against a real API process whose memory is measured. */
import { createHmac } from 'node:crypto';
import { type Installation, type Process, readMetrics, startInstallation } from '@tally/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newTenant } from './tenant.ts';

let system: Installation;
let api: Process;
const igUserId = '17841400000000077';
const updates = 1_000;
const maxMs = 5_000;
const maxGrowthBytes = 50 * 1024 * 1024;

beforeAll(async () => {
  system = await startInstallation();
  api = await system.startApi();
}, 120_000);
afterAll(() => system?.stop());

async function residentBytes(): Promise<number> {
  const text = await readMetrics(api.url);
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]);
}

/** Half comments, half messages, each from a different person. */
function batch(number: number): Buffer {
  const at = Date.now() - 1_000;
  const entry = Array.from({ length: updates }, (_, i) => {
    const id = `${number}`.padStart(4, '0') + `${i}`.padStart(5, '0');
    if (i % 2 === 0) {
      const value = {
        id: `1787${id}`,
        from: { id: `55${id}`, username: `u${id}` },
        text: 'قیمت؟ price please',
        media: { id: '1' },
      };
      return { id: igUserId, time: Math.floor(at / 1_000), changes: [{ field: 'comments', value }] };
    }
    const message = { mid: `mid-${id}`, text: 'Hi! Is the linen shirt still available in M?' };
    const item = { sender: { id: `55${id}` }, recipient: { id: igUserId }, timestamp: at, message };
    return { id: igUserId, time: at, messaging: [item] };
  });
  return Buffer.from(JSON.stringify({ object: 'instagram', entry }));
}

async function post(body: Buffer): Promise<number> {
  const signature = createHmac('sha256', system.env.INSTAGRAM_APP_SECRET ?? '')
    .update(body)
    .digest('hex');
  const began = performance.now();
  const response = await fetch(`${api.url}/webhooks/instagram`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` },
    body: new Uint8Array(body),
  });
  expect(response.status, await response.text()).toBe(200);
  return performance.now() - began;
}

it('50 webhooks of 1,000 updates take 5 s each at most', {
  timeout: 240_000,
}, async () => {
  const { token, accountId } = await newTenant(system, api.url, 10_000);
  // The stored updates exceed the storage of a small plan.
  await system.billing.db.pool.query('update plans set storage_bytes = 200000000');
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const send = (path: string, body: object) =>
    fetch(`${api.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  await send('/api/instagram/accounts', { ig_user_id: igUserId, username: 'lamps', access_token: 'token' });
  await send('/api/workflows', { ig_user_id: igUserId, name: 'every comment' });

  const times: number[] = [];
  let afterTen = 0;
  for (let number = 1; number <= 50; number++) {
    times.push(await post(batch(number)));
    if (number === 10) afterTen = await residentBytes();
  }
  const growth = (await residentBytes()) - afterTen;
  const { rows } = await system.billing.db.pool.query<{ count: number }>(
    'select count(*) from jobs where account_id = $1',
    [accountId],
  );
  expect(rows[0]?.count).toBe(50 * updates);
  expect(Math.max(...times)).toBeLessThan(maxMs);
  expect(growth).toBeLessThan(maxGrowthBytes);
});
