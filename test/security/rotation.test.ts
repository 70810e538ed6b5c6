/** Rotation of JWT_SECRET and ENCRYPTION_KEY, with processes of two steps running at the same time. */
import { testPassword } from '@tally/testing';
import { startPlatform, testLog } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startApi } from '../../apps/api/src/start.ts';
import { reseal } from '../../apps/ops/src/commands/reseal.ts';
import { seal, unseal } from '../../packages/core/src/index.ts';
import { sealContext, totpContext } from '../../packages/db/src/index.ts';

const oldSecret = 'the secret that has been in use so far';
const newSecret = 'the secret that will be in use from now on';
const [oldKey, newKey] = ['ab'.repeat(32), 'cd'.repeat(32)];

const platform = await startPlatform({ env: { JWT_SECRET: oldSecret, ENCRYPTION_KEY: oldKey }, worker: false });
const { db } = platform.api.services;

/** Starts another API on the same storage with these secrets: the one in use, and the one also accepted. */
async function startWith(secrets: { jwt: [string, string?]; key: [string, string?] }) {
  const config = {
    ...platform.config,
    jwtSecret: secrets.jwt[0],
    encryptionKey: secrets.key[0],
    alsoAccepted: { jwtSecret: secrets.jwt[1], encryptionKey: secrets.key[1] },
  };
  const api = await startApi(config, testLog);
  onTestFinished(() => api.close());
  return async (method: string, path: string, token?: string, body?: object) => {
    const answer = await fetch(`${api.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
}

describe('rotation of secrets', () => {
  it('keeps logins and sealed tokens valid in each step', async () => {
    const { accountId, email } = await platform.newPerson();
    // Step 1: all processes accept the new secrets. Step 2: all use them.
    const before = await startWith({ jwt: [oldSecret, newSecret], key: [oldKey, newKey] });
    const after = await startWith({ jwt: [newSecret, oldSecret], key: [newKey, oldKey] });
    const tokens: string[] = [];
    for (const call of [before, after]) {
      const { body } = await call('POST', '/api/accounts/login', undefined, { email, password: testPassword });
      tokens.push(String(body.access_token));
    }
    for (const call of [before, after])
      for (const token of tokens) expect((await call('GET', '/api/accounts/profile', token)).status).toBe(200);

    const accounts = ['17841400000000771', '17841400000000772'];
    for (const [i, call] of [before, after].entries()) {
      const body = { ig_user_id: accounts[i], username: `shop${i}`, access_token: `token-${i}` };
      expect((await call('POST', '/api/instagram/accounts', tokens[0], body)).status).toBe(201);
    }
    const { totp_secret: totp } = (
      await db.pool.query<{ totp_secret: string }>(
        `update accounts set totp_secret = $2 where id = $1 returning totp_secret`,
        [accountId, seal([oldKey], totpContext(accountId), 'second factor')],
      )
    ).rows[0] ?? { totp_secret: '' };
    const printed = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    onTestFinished(() => printed.mockRestore());
    expect(await reseal({ db, sealKeys: [newKey, oldKey] })).toBe(0);
    expect(printed).toHaveBeenCalledWith(expect.stringMatching(/^2 sealed anew, 1 were sealed by this key already/));
    expect(await reseal({ db, sealKeys: [newKey, oldKey] })).toBe(0);
    const { rows } = await db.pool.query<{ ig_user_id: string; access_token: string }>(
      'select ig_user_id, access_token from instagram_accounts order by ig_user_id',
    );
    expect(rows.map((row) => unseal([newKey], sealContext(row.ig_user_id), row.access_token))).toEqual([
      'token-0',
      'token-1',
    ]);

    const { rows: accountRows } = await db.pool.query<{ totp_secret: string }>(
      'select totp_secret from accounts where id = $1',
      [accountId],
    );
    expect(accountRows[0]?.totp_secret).not.toBe(totp);
    expect(unseal([newKey], totpContext(accountId), accountRows[0]?.totp_secret ?? '')).toBe('second factor');

    const last = await startWith({ jwt: [newSecret], key: [newKey] });
    expect((await last('GET', '/api/accounts/profile', tokens[0])).status).toBe(401);
    expect((await last('GET', '/api/accounts/profile', tokens[1])).status).toBe(200);
  });
});
