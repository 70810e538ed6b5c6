import { describe, expect, test } from 'vitest';
import type { GraphFault } from '../src/instagram/faults.ts';
import { mina, shopId, useInstagram } from './instagram-fixture.ts';

const { control, graph, lastSend, received, sandbox, send, url } = useInstagram();
const { faults, settings } = sandbox.instagram;

/** A send that gives up soon, as a client with a deadline. */
const sendInVain = (text = 'Hi'): Promise<unknown> =>
  fetch(`${url()}/graph/${shopId}/messages`, {
    method: 'POST',
    headers: { authorization: 'Bearer t' },
    body: JSON.stringify({ recipient: { id: mina.id }, message: { text } }),
    signal: AbortSignal.timeout(150),
  }).then((answer) => answer.json());

describe('an error', () => {
  test.each([
    [{ code: 4, is_transient: true, retry_after_s: 3, status: 429 }, 429],
    [{ code: 613, subcode: 2534040 }, 400],
    [{ code: 2 }, 500],
    [{ code: 10, subcode: 2534022 }, 400],
    [{ code: 190, subcode: 463 }, 400],
    [{ code: 100, subcode: 2534037 }, 400],
  ])('of any class has its shape: %j', async (error, status) => {
    await control('PUT', 'instagram/faults', { rules: [{ kind: 'error', ...error }] });
    const answer = await send({ id: mina.id }, 'Hi');
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatchObject({ code: error.code, message: expect.any(String) });
    expect(answer.body.error.error_subcode).toBe('subcode' in error ? error.subcode : undefined);
    expect(answer.headers.get('retry-after')).toBe('retry_after_s' in error ? '3' : null);
    expect(lastSend()).toMatchObject({ outcome: 'refused', delivered: false, fault: 'error', status });
  });

  test('speaks the language of the settings, unless a rule has words of its own', async () => {
    await control('PUT', 'instagram/settings', { locale: 'fa' });
    faults.set([
      { kind: 'error', code: 4, times: 1 },
      { kind: 'error', message: 'Mine' },
    ]);
    expect((await send({ id: mina.id }, 'Hi')).body.error.message).toBe('(#4) خطایی رخ داد.');
    expect((await send({ id: mina.id }, 'Hi')).body.error.message).toBe('Mine');
  });

  test('can lie: the message arrived all the same', async () => {
    faults.set([{ kind: 'error', code: 100, delivered: true }]);
    expect((await send({ id: mina.id }, 'Hi')).status).toBe(400);
    expect(lastSend()).toMatchObject({ outcome: 'refused', delivered: true, message_id: expect.any(String) });
  });
});

describe('an answer that never comes', () => {
  test.each([
    ['hang', 'hung', false],
    ['hang_before_delivery', 'hung', false],
    ['hang_after_delivery', 'hung', true],
    ['reset', 'reset', false],
    ['reset_after_delivery', 'reset', true],
  ] as const)('%s', async (kind, outcome, delivered) => {
    faults.set([{ kind }]);
    await expect(sendInVain()).rejects.toThrow();
    expect(lastSend()).toMatchObject({ outcome, delivered, status: null, fault: kind });
    const { body } = await graph(`${shopId}/conversations?user_id=${mina.id}&access_token=t`);
    expect(body.data).toHaveLength(delivered ? 1 : 0);
  });

  test('after a delivery is followed by an echo', async () => {
    settings.current.echo = true;
    faults.set([{ kind: 'hang_after_delivery' }]);
    await expect(sendInVain('129 EUR')).rejects.toThrow();
    await expect.poll(() => received.length).toBe(1);
    expect(received[0]?.body).toContain(lastSend()?.message_id);
  });

  test('leaves a comment answered or not, as it was delivered or not', async () => {
    const outcomes: unknown[] = [];
    for (const kind of ['hang', 'hang_after_delivery'] as const) {
      const { comment_id } = await sandbox.instagram.fire({ kind: 'comment', from: mina });
      faults.set([{ kind, times: 1, match: { recipient: comment_id ?? '' } }]);
      await expect(
        fetch(`${url()}/graph/${shopId}/messages`, {
          method: 'POST',
          headers: { authorization: 'Bearer t' },
          body: JSON.stringify({ recipient: { comment_id }, message: { text: 'Hi' } }),
          signal: AbortSignal.timeout(150),
        }),
      ).rejects.toThrow();
      outcomes.push((await send({ comment_id }, 'Hi again')).status);
    }
    expect(outcomes).toEqual([200, 400]);
  });
});

describe('an answer that says little', () => {
  test.each([
    [{ kind: 'server_error' }, 500, 'failed', false],
    [{ kind: 'server_error', status: 503, delivered: true }, 503, 'failed', true],
    [{ kind: 'html' }, 502, 'garbled', false],
    [{ kind: 'html', status: 502, delivered: true }, 502, 'garbled', true],
    [{ kind: 'invalid_json' }, 200, 'garbled', true],
  ] satisfies [GraphFault, number, string, boolean][])('%j', async (fault, status, outcome, delivered) => {
    faults.set([fault]);
    const answer = await sendInVain().catch((error: unknown) => error);
    expect(lastSend()).toMatchObject({ outcome, delivered, status });
    if (outcome === 'garbled') expect(answer).toBeInstanceOf(SyntaxError);
    else expect(answer).toMatchObject({ error: { code: 2, is_transient: true } });
  });

  test('comes late', async () => {
    faults.set([{ kind: 'slow', delay_ms: 120 }]);
    const startedAt = performance.now();
    expect((await send({ id: mina.id }, 'Hi')).status).toBe(200);
    expect(performance.now() - startedAt).toBeGreaterThan(100);
  });

  test('comes too late for a client that left, though the message arrived', async () => {
    faults.set([{ kind: 'slow', delay_ms: 60_000 }]);
    await expect(sendInVain()).rejects.toThrow();
    await expect.poll(lastSend).toMatchObject({ outcome: 'abandoned', delivered: true });
  });
});

describe('a rule', () => {
  test('concerns one account, one person or one text', async () => {
    for (const match of [{ ig_user_id: 'other' }, { recipient: 'other' }, { text: 'poison' }]) {
      faults.set([{ kind: 'error', code: 4, match }]);
      expect((await send({ id: mina.id }, 'Hi')).status).toBe(200);
    }
    expect((await send({ id: mina.id }, 'poisoned')).status).toBe(400);
    faults.set([{ kind: 'error', match: { ig_user_id: shopId, recipient: mina.id } }]);
    expect((await send({ id: mina.id }, 'Hi')).status).toBe(400);
  });

  test('ends after its turns, and is not used up by what is wrong in itself', async () => {
    faults.set([{ kind: 'error', code: 4, times: 1 }]);
    expect((await send({}, 'Hi')).body.error.code).toBe(100);
    expect((await send({ id: mina.id }, 'Hi')).body.error.code).toBe(4);
    expect((await send({ id: mina.id }, 'Hi')).status).toBe(200);
    expect(await control('GET', 'instagram/faults')).toMatchObject({ rules: [{ kind: 'error', used: 1 }] });
  });

  test('draws the same lots from the same seed', async () => {
    const draw = async (): Promise<number[]> => {
      faults.set([{ kind: 'error', probability: 0.5, seed: 11 }]);
      const statuses: number[] = [];
      for (let turn = 0; turn < 12; turn += 1) statuses.push((await send({ id: mina.id }, 'Hi')).status);
      return statuses;
    };
    const statuses = await draw();
    expect(new Set(statuses)).toEqual(new Set([200, 400]));
    expect(await draw()).toEqual(statuses);
  });

  test('may concern another call than sending', async () => {
    faults.set([{ kind: 'error', code: 190, match: { call: 'refresh' } }]);
    expect((await send({ id: mina.id }, 'Hi')).status).toBe(200);
    expect((await graph('refresh_access_token?grant_type=ig_refresh_token&access_token=t')).body.error.code).toBe(190);
  });

  test('that nobody knows is refused, and DELETE removes all', async () => {
    const body = JSON.stringify({ rules: [{ kind: 'flood' }] });
    expect((await fetch(`${url()}/sandbox/instagram/faults`, { method: 'PUT', body })).status).toBe(400);
    faults.set([{ kind: 'hang' }]);
    expect(await control('DELETE', 'instagram/faults')).toEqual({ rules: [] });
    expect((await send({ id: mina.id }, 'Hi')).status).toBe(200);
  });
});
