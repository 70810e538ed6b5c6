/** What Instagram was asked to send, and what its webhooks announced, against what Tally wrote down. */
import type { SendEntry } from '../sandbox.ts';
import type { World } from '../world.ts';

type SendRow = { recipient_id: string; text: string; state: string; message_id: string | null; started_at: Date };

/** At most one message for each that a job had to send, and one that is called sent has arrived. */
export async function checkMessages({ system, sandbox, journal }: World): Promise<void> {
  const { rows } = await system.billing.db.pool.query<SendRow>(
    'select recipient_id, text, state, message_id, started_at from instagram_sends',
  );
  const delivered = (await sandbox.sends()).filter((send) => send.delivered);
  const wanted = countBy(rows, (row) => `${row.recipient_id}: ${row.text}`);
  for (const [message, times] of countBy(delivered, (send) => `${addressOf(send)}: ${send.text}`)) {
    const jobs = wanted.get(message) ?? 0;
    if (times > jobs) journal.violate('messages', `sent ${times} times by ${jobs} jobs: ${message}`);
  }
  const arrived = new Set(delivered.map((send) => send.message_id));
  for (const { state, message_id, recipient_id, started_at } of rows) {
    const at = started_at.getTime();
    if (state === 'sent' && !arrived.has(message_id))
      journal.violate('messages', `message ${message_id} to ${recipient_id} is called sent and never arrived`, at);
    if (state === 'about_to_send')
      journal.violate('messages', `a message to ${recipient_id} is still about to be sent`, at);
  }
}

/** Each event that was answered 200 is one row, and where a job answers it, that job has ended. */
export async function checkWebhooks({ system, journal }: World): Promise<void> {
  const { rows } = await system.billing.db.pool.query<{ dedupe_key: string; outcome: string; status: string | null }>(
    `select e.dedupe_key, e.outcome, j.status from webhook_events e left join jobs j on j.id = e.job_id`,
  );
  const known = Map.groupBy(rows, (row) => row.dedupe_key);
  for (const key of journal.events) {
    const found = known.get(key) ?? [];
    if (found.length !== 1)
      journal.violate('webhooks', `event ${key} was answered 200 and is there ${found.length} times`);
    for (const { outcome, status } of found) {
      if (outcome === '') journal.violate('webhooks', `nobody knows what became of event ${key}`);
      if (outcome === 'queued' && (status === null || status === 'queued' || status === 'running'))
        journal.violate('webhooks', `event ${key} was to be answered by a job, which is ${status ?? 'gone'}`);
    }
  }
}

function addressOf({ recipient }: SendEntry): string {
  if (recipient === null) return 'nobody';
  return 'id' in recipient ? recipient.id : recipient.comment_id;
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, number> {
  return new Map([...Map.groupBy(items, keyOf)].map(([key, group]) => [key, group.length]));
}
