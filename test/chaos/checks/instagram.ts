/** Compares the sandbox's Instagram sends and webhook events with Tally's own rows. */
import type { SendEntry } from '../sandbox.ts';
import type { World } from '../world.ts';

type SendRow = { recipient_id: string; text: string; state: string; message_id: string | null; started_at: Date };

/** Each job sends its message at most once, and a message marked as sent was delivered. */
export async function checkMessages({ system, sandbox, journal }: World): Promise<void> {
  const { rows } = await system.billing.db.pool.query<SendRow>(
    'select recipient_id, text, state, message_id, started_at from instagram_sends',
  );
  const delivered = (await sandbox.sends()).filter((send) => send.delivered);
  const wanted = countBy(rows, (row) => `${row.recipient_id}: ${row.text}`);
  for (const [message, times] of countBy(delivered, (send) => `${addressOf(send)}: ${send.text}`)) {
    const jobs = wanted.get(message) ?? 0;
    if (times > jobs) journal.addViolation('messages', `sent ${times} times by ${jobs} jobs: ${message}`);
  }
  const arrived = new Set(delivered.map((send) => send.message_id));
  for (const { state, message_id, recipient_id, started_at } of rows) {
    const at = started_at.getTime();
    if (state === 'sent' && !arrived.has(message_id))
      journal.addViolation(
        'messages',
        `message ${message_id} to ${recipient_id} is marked as sent but was not delivered`,
        at,
      );
    if (state === 'about_to_send')
      journal.addViolation('messages', `a message to ${recipient_id} is still about to be sent`, at);
  }
}

/** Each event answered with 200 is stored once, and the job that handles it has ended. */
export async function checkWebhooks({ system, journal }: World): Promise<void> {
  const { rows } = await system.billing.db.pool.query<{ dedupe_key: string; outcome: string; status: string | null }>(
    `select e.dedupe_key, e.outcome, j.status from webhook_events e left join jobs j on j.id = e.job_id`,
  );
  const known = Map.groupBy(rows, (row) => row.dedupe_key);
  for (const key of journal.events) {
    const found = known.get(key) ?? [];
    if (found.length !== 1)
      journal.addViolation('webhooks', `event ${key} was answered with 200 and is stored ${found.length} times`);
    for (const { outcome, status } of found) {
      if (outcome === '') journal.addViolation('webhooks', `event ${key} has no outcome`);
      if (outcome === 'queued' && (status === null || status === 'queued' || status === 'running'))
        journal.addViolation('webhooks', `event ${key} was queued as a job, which is ${status ?? 'gone'}`);
    }
  }
}

function addressOf({ recipient }: SendEntry): string {
  if (recipient === null) return 'no recipient';
  return 'id' in recipient ? recipient.id : recipient.comment_id;
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, number> {
  return new Map([...Map.groupBy(items, keyOf)].map(([key, group]) => [key, group.length]));
}
