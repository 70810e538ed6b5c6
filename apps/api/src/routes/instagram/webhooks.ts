/** Instagram's webhooks: verification handshake and signed events. Unsigned requests get a status and nothing else. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { isSameSecret, TallyError } from '@tally/core';
import { Hono } from 'hono';
import { createArrivingBodies } from '../../http/arriving-bodies.ts';
import { readEvents } from '../../instagram/read-events.ts';
import { receiveEvents } from '../../instagram/receive.ts';
import { limits } from '../../limits.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

const signatureForm = /^sha256=([0-9a-f]{64})$/;
const challengeForm = /^[A-Za-z0-9_-]{1,200}$/;

export function webhookRoutes({ config, db, queues, log, textThreads }: ApiServices) {
  const { appSecrets, verifyToken } = config.instagram;
  const bodies = createArrivingBodies({ maxHeldBytes: limits.maxArrivingWebhookBytes, graceMs: limits.webhookGraceMs });
  /** The body, if it is signed. Unsigned bodies are held in memory, too, until they are complete. */
  async function readSigned(request: Request, signature: string): Promise<Buffer> {
    const body = await bodies.read(request, limits.maxWebhookBytes);
    if (!isSigned(body, signature, appSecrets)) throw unsigned();
    return body;
  }
  return new Hono<ApiEnv>()
    .get('/webhooks/instagram', (c) => {
      const [mode, token, challenge] = ['mode', 'verify_token', 'challenge'].map((name) => {
        const values = c.req.queries(`hub.${name}`) ?? [];
        return values.length === 1 ? values[0] : undefined;
      });
      if (mode !== 'subscribe' || verifyToken === undefined || !isSameSecret(token ?? '', verifyToken))
        throw new TallyError('forbidden', 'Not subscribed');
      if (challenge === undefined || !challengeForm.test(challenge))
        throw new TallyError('invalid_input', 'hub.challenge is missing or not a plain word');
      return c.text(challenge);
    })
    .post('/webhooks/instagram', async (c) => {
      const signature = signatureForm.exec(c.req.header('x-hub-signature-256') ?? '')?.[1];
      if (signature === undefined) throw unsigned();
      const events = readEvents(parse(await readSigned(c.req.raw, signature)), new Date());
      await receiveEvents({ db, queues, textThreads, log }, events);
      log.info({ request_id: c.get('requestId'), events: events.length }, 'webhook');
      return c.json({ success: true as const });
    });
}

const unsigned = () => new TallyError('unauthenticated', 'The signature is missing or wrong');

function isSigned(body: Buffer, signature: string, secrets: string[]): boolean {
  const given = Buffer.from(signature, 'hex');
  return secrets.some((secret) => timingSafeEqual(createHmac('sha256', secret).update(body).digest(), given));
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new TallyError('invalid_input', 'The body is not valid JSON');
  }
}
