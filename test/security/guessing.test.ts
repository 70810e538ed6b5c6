/** Rate limits on guessing passwords and e-mail addresses; apps/api/test/rate-limits.test.ts has the basics. */
import { type Answer, testPassword } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

const limited = await startPlatform({ worker: false, env: { LIMIT_LOGINS: '2', PROXY_HOPS: '1' } });
const unlimited = await startPlatform({ worker: false, env: { LIMIT_LOGINS: '0' } });
/** Failed logins of one IP address, over all accounts: ten times LIMIT_LOGINS. */
const maxPerAddress = 20;

let lastAddress = 0;
const newAddress = () => `203.0.113.${++lastAddress}`;
const post = (path: string, email: string, password: string, forwardedFor: string) =>
  limited.call('POST', path, { body: { email, password }, headers: { 'x-forwarded-for': forwardedFor } });
const tryLogin = (email: string, password: string, from: string) => post('/api/accounts/login', email, password, from);
const statuses = (answers: Answer[]) => answers.map(({ status }) => status);

describe('failed logins from one IP address', () => {
  it('are counted over all accounts, even concurrent ones', async () => {
    const from = newAddress();
    const guesses = Array.from({ length: maxPerAddress + 10 }, (_, i) => tryLogin(`nobody${i}@example.com`, 'x', from));
    const answers = statuses(await Promise.all(guesses));
    expect(answers.filter((status) => status === 401)).toHaveLength(maxPerAddress);
    expect(answers.filter((status) => status === 429)).toHaveLength(10);
    const { email } = await limited.newPerson();
    expect((await tryLogin(email, testPassword, from)).status).toBe(429);
  });

  it('don’t lock the account out at another IP address', async () => {
    const { email } = await limited.newPerson();
    const from = newAddress();
    for (let i = 0; i < 3; i++) await tryLogin(email, `guess ${i}`, from);
    expect((await tryLogin(email, testPassword, from)).status).toBe(429);
    expect((await tryLogin(email, testPassword, newAddress())).status).toBe(200);
  });

  it('are counted despite forged X-Forwarded-For entries', async () => {
    const { email } = await limited.newPerson();
    const from = newAddress();
    const forms = [from, `${newAddress()}, ${from}`, `127.0.0.1,::1 ,${from}`, `unknown, ${from}`, `, ${from}`];
    const answers: number[] = [];
    for (const form of forms) answers.push((await tryLogin(email, 'guess', form)).status);
    expect(answers).toEqual([401, 401, 429, 429, 429]);
  });

  it('are counted per IPv6 /64 and per IPv4 in any notation', async () => {
    const answersFrom = async (forms: string[]) => {
      const { email } = await limited.newPerson();
      const answers: number[] = [];
      for (const form of forms) answers.push((await tryLogin(email, 'guess', form)).status);
      return answers;
    };
    const network = '2001:db8:1:2';
    const inside = [`${network}::1`, `${network.toUpperCase()}:ffff:ffff:ffff:ffff`, `2001:0db8:0001:0002::3%eth0`];
    expect(await answersFrom(inside)).toEqual([401, 401, 429]);
    expect(await answersFrom([`${network}::1`, '2001:db8:1:3::1', '2001:db8:2:2::1'])).toEqual([401, 401, 401]);
    const address = newAddress();
    expect(await answersFrom([address, `::ffff:${address}`, `::FFFF:${address}`])).toEqual([401, 401, 429]);
  });

  it('are counted for the proxy where it names no client', async () => {
    const { email } = await limited.newPerson();
    const answers: number[] = [];
    for (const form of ['', 'unknown', '<script>']) answers.push((await tryLogin(email, 'guess', form)).status);
    expect(answers).toEqual([401, 401, 429]);
  });

  it('count together with those at the queue board', async () => {
    const { email } = await limited.newPerson({ role: 'operator' });
    const from = newAddress();
    const open = async (password: string) => {
      const authorization = `Basic ${Buffer.from(`${email}:${password}`).toString('base64')}`;
      const headers = { authorization, 'x-forwarded-for': from };
      return (await limited.call('GET', '/admin/queues', { headers })).status;
    };
    expect([await open('guess 1'), await open('guess 2'), await open(testPassword)]).toEqual([401, 401, 429]);
    expect((await tryLogin(email, testPassword, from)).status).toBe(429);
  });
});

describe('registrations from one IP address', () => {
  it('are limited, and reveal only that an address is taken', async () => {
    const { email } = await limited.newPerson();
    const from = newAddress();
    const register = (address: string) => post('/api/accounts/register', address, testPassword, from);
    const taken = await register(email);
    expect(taken).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
    expect(Object.keys(taken.body).sort()).toEqual(['error', 'error_code', 'request_id', 'success']);
    const answers = statuses(
      await Promise.all(Array.from({ length: maxPerAddress }, (_, i) => register(`new${i}@example.com`))),
    );
    expect(answers.filter((status) => status === 201)).toHaveLength(maxPerAddress - 1);
    expect(answers.filter((status) => status === 429)).toHaveLength(1);
    expect((await post('/api/accounts/register', 'late@example.com', testPassword, newAddress())).status).toBe(201);
  });
});

describe('with PROXY_HOPS=0', () => {
  it('forwarding headers are ignored', async () => {
    const bare = await startPlatform({ worker: false, env: { LIMIT_LOGINS: '2' } }, onTestFinished);
    const { email } = await bare.newPerson();
    const answers: number[] = [];
    for (let i = 0; i < 3; i++) {
      const headers = { 'x-forwarded-for': newAddress(), 'x-real-ip': newAddress(), forwarded: `for=${newAddress()}` };
      const answer = await bare.call('POST', '/api/accounts/login', { body: { email, password: 'x' }, headers });
      answers.push(answer.status);
    }
    expect(answers).toEqual([401, 401, 429]);
  });
});

describe('a login to an unknown account', () => {
  const guess = async (email: string) => {
    const startedAt = performance.now();
    const answer = await unlimited.call('POST', '/api/accounts/login', { body: { email, password: 'not it' } });
    return { ms: performance.now() - startedAt, answer };
  };
  const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

  it('gets the same answer, after a similar time', async () => {
    const { email } = await unlimited.newPerson();
    const [there, gone]: [number[], number[]] = [[], []];
    for (let i = 0; i < 25; i++) {
      const [known, unknown] = [await guess(email), await guess(`nobody${i}@example.com`)];
      there.push(known.ms);
      gone.push(unknown.ms);
      const comparable = ({ answer }: typeof known) => ({
        status: answer.status,
        body: { ...answer.body, request_id: '' },
      });
      expect(comparable(unknown)).toEqual(comparable(known));
    }
    const ratio = median(there) / median(gone);
    expect(ratio).toBeGreaterThan(0.5);
    expect(ratio).toBeLessThan(2);
  });
});
