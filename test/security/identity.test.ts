/** Forged, expired and malformed bearer tokens and API keys: each is a 401. */
import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { testPassword } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';

const { api, call, config, newPerson } = await startPlatform({ worker: false });
const victim = await newPerson({ tokens: 1_000 });
const operator = await newPerson({ role: 'operator' });

type Claims = Record<string, unknown>;
type Signer = (input: string) => Buffer;
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = Math.floor(Date.now() / 1_000);
const validClaims: Claims = {
  ver: 1,
  sub: victim.accountId,
  iss: 'tally',
  aud: 'tally-api',
  iat: now,
  exp: now + 3_600,
};
const hmac =
  (secret: string, hash = 'sha256'): Signer =>
  (input) =>
    createHmac(hash, secret).update(input).digest();
const signWithOurSecret = hmac(config.jwtSecret);

/** Builds a token by hand, so that no JWT library corrects it. */
function token(
  claims: Claims,
  header: Claims = { alg: 'HS256', typ: 'JWT' },
  signer: Signer = signWithOurSecret,
): string {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${signer(input).toString('base64url')}`;
}
const without = (...names: string[]): Claims =>
  Object.fromEntries(Object.entries(validClaims).filter(([name]) => !names.includes(name)));

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsaSigned: Signer = (input) => sign('sha256', Buffer.from(input), rsa.privateKey);
const ecSigned: Signer = (input) =>
  sign('sha256', Buffer.from(input), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
const noSignature: Signer = () => Buffer.alloc(0);
const [head = '', body = '', signature = ''] = token(validClaims).split('.');

async function expectRefused(authorization: string) {
  for (const path of ['/api/accounts/profile', '/api/admin/grants']) {
    const { status, body, headers } = await call(path.endsWith('grants') ? 'POST' : 'GET', path, {
      headers: { authorization },
    });
    expect({ status, code: body.error_code }).toEqual({ status: 401, code: 'unauthenticated' });
    expect(headers.get('www-authenticate')).toBe('Bearer');
  }
}

it('accepts a valid token that is built by hand', async () => {
  expect((await call('GET', '/api/accounts/profile', { token: token(validClaims) })).body).toMatchObject({
    email: victim.email,
  });
});

describe('a token is refused', () => {
  it.each<[string, string]>([
    ['with alg none and no signature', token(validClaims, { alg: 'none' }, noSignature)],
    ['with alg nOnE and no signature', token(validClaims, { alg: 'nOnE' }, noSignature)],
    ['with alg none and a signature', token(validClaims, { alg: 'none', typ: 'JWT' })],
    ['with alg HS256 and no signature', token(validClaims, { alg: 'HS256' }, noSignature)],
    ['without its third part', `${head}.${body}`],
    ['signed with HS512 and our secret', token(validClaims, { alg: 'HS512' }, hmac(config.jwtSecret, 'sha512'))],
    ['signed with HS384 and our secret', token(validClaims, { alg: 'HS384' }, hmac(config.jwtSecret, 'sha384'))],
    ['with alg RS256, signed with HMAC and our secret', token(validClaims, { alg: 'RS256' })],
    ['signed with an RSA key of its own', token(validClaims, { alg: 'RS256' }, rsaSigned)],
    [
      'with a key in its jwk header',
      token(validClaims, { alg: 'ES256', jwk: ec.publicKey.export({ format: 'jwk' }) }, ecSigned),
    ],
    [
      'with a key URL in its jku header',
      token(validClaims, { alg: 'RS256', jku: 'https://evil.example/jwks.json', kid: '1' }, rsaSigned),
    ],
    [
      'with a certificate URL in its x5u header',
      token(validClaims, { alg: 'RS256', x5u: 'https://evil.example/x.pem' }, rsaSigned),
    ],
    [
      'with a file path as kid, signed with an empty secret',
      token(validClaims, { alg: 'HS256', kid: '../../../../dev/null' }, hmac('')),
    ],
    ['with SQL as kid', token(validClaims, { alg: 'HS256', kid: "x' union select 'secret" }, hmac('secret'))],
    ['signed with another secret', token(validClaims, { alg: 'HS256' }, hmac(`${config.jwtSecret}x`))],
    [
      'with an unknown critical extension',
      token(validClaims, { alg: 'HS256', crit: ['exp-ignored'], 'exp-ignored': 1 }),
    ],
    ['with b64 false', token(validClaims, { alg: 'HS256', b64: false, crit: ['b64'] })],
    ['with an array as alg', token(validClaims, { alg: ['HS256'] })],
    ['that is expired', token({ ...validClaims, exp: now - 1 })],
    ['that is valid from tomorrow', token({ ...validClaims, nbf: now + 86_400 })],
    ['for another audience', token({ ...validClaims, aud: 'tally' })],
    ['of another issuer', token({ ...validClaims, iss: 'https://evil.example' })],
    ['without an audience', token(without('aud'))],
    ['without an issuer', token(without('iss'))],
    ['without an expiry', token(without('exp'))],
    ['without an account', token(without('sub'))],
    ['without a version', token(without('ver'))],
    ['whose expiry is text', token({ ...validClaims, exp: `${now + 3_600}` })],
    ['whose version is text', token({ ...validClaims, ver: '1' })],
    ['of an older version', token({ ...validClaims, ver: 0 })],
    ['of a later version', token({ ...validClaims, ver: 2 })],
    ['whose account is SQL', token({ ...validClaims, sub: "' or 1=1 --" })],
    ['of an unknown account', token({ ...validClaims, sub: '0198a000-0000-7000-8000-000000000000' })],
    ['whose account is an array', token({ ...validClaims, sub: [victim.accountId] })],
    ['with changed claims', `${head}.${encode({ ...validClaims, sub: operator.accountId })}.${signature}`],
    ['with a changed header', `${encode({ alg: 'HS256' })}.${body}.${signature}`],
    ['with a truncated signature', `${head}.${body}.${signature.slice(0, 20)}`],
    ['with five parts', `${head}.${body}.${signature}.${body}.${signature}`],
    ['in JSON serialization', JSON.stringify({ payload: body, protected: head, signature })],
    ['of 4,097 characters', 'x'.repeat(4_097)],
  ])('%s', async (_, bearer) => expectRefused(`Bearer ${bearer}`));

  it('after a change of password, even if used before', async () => {
    const { token: old, email } = await newPerson();
    expect((await call('GET', '/api/jobs', { token: old })).status).toBe(200);
    const change = { current_password: testPassword, new_password: 'another password' };
    const changed = await call('POST', '/api/accounts/password', { token: old, body: change });
    await expectRefused(`Bearer ${old}`);
    expect((await call('GET', '/api/jobs', { token: String(changed.body.access_token) })).status).toBe(200);
    const login = { email, password: testPassword };
    expect((await call('POST', '/api/accounts/login', { body: login })).status).toBe(401);
  });

  it('anywhere but in a Bearer authorization header', async () => {
    const bearer = token(validClaims);
    for (const scheme of ['', 'Token ', 'Basic ', 'Bearer', 'Bearer:', 'bearer\t'])
      await expectRefused(`${scheme}${bearer}`);
    for (const headers of [{ cookie: `access_token=${bearer}` }, { 'x-access-token': bearer }, { 'x-api-key': bearer }])
      expect((await call('GET', '/api/jobs', { headers })).status).toBe(401);
    expect((await call('GET', `/api/jobs?access_token=${bearer}`)).status).toBe(401);
  });
});

describe('an API key', () => {
  it('is refused when revoked, altered, or given as its hash', async () => {
    const made = await call<{ api_key: { id: string; key: string; hint: string } }>('POST', '/api/accounts/api-keys', {
      token: victim.token,
      body: { name: 'mine' },
    });
    const { id, key, hint } = made.body.api_key;
    expect((await call('GET', '/api/jobs', { token: key })).status).toBe(200);
    const hash = createHash('sha256').update(key).digest();
    const forms = [
      key.toUpperCase(),
      key.slice(0, -1),
      `${key}A`,
      `tally_${hash.toString('hex')}`,
      'tally_',
      'tally_%',
    ];
    for (const form of [...forms, hash.toString('base64url'), encodeURIComponent(hint)])
      await expectRefused(`Bearer ${form}`);
    await call('DELETE', `/api/accounts/api-keys/${id}`, { token: victim.token });
    await expectRefused(`Bearer ${key}`);
  });

  it('is stored only as its hash', async () => {
    const made = await call<{ api_key: { key: string } }>('POST', '/api/accounts/api-keys', {
      token: victim.token,
      body: { name: 'mine' },
    });
    const { rows } = await api.services.db.pool.query<{ row: string }>('select k::text as row from api_keys k');
    expect(rows.length).toBeGreaterThan(0);
    for (const { row } of rows) expect(row).not.toContain(made.body.api_key.key.slice(9, 40));
  });
});
