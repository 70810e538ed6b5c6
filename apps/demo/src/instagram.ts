/** What the chapters about Instagram share: firing events as Instagram does, and seeing what became of them. */
import { z } from 'zod';
import { until } from './client.ts';
import { expectEqual } from './expect.ts';
import type { Cast } from './story.ts';

/** The account that the sandbox's events are for, unless they say otherwise. */
export const igUserId = '17841405309211844';

const Fired = z.object({ status: z.int(), comment_id: z.string().nullable(), mid: z.string().nullable() });
const Event = z.object({
  kind: z.string(),
  external_id: z.string().nullable(),
  outcome: z.string(),
  job_id: z.string().nullable(),
  job_status: z.string().nullable(),
  error_code: z.string().nullable(),
});
export type Event = z.infer<typeof Event>;
const Accounts = z.object({
  accounts: z.array(z.object({ state: z.string(), username: z.string(), recent_events: z.array(Event) })),
});
const Send = z.object({ recipient: z.record(z.string(), z.string()), text: z.string(), delivered: z.boolean() });
export type Send = z.infer<typeof Send>;

/** Lets something happen on Instagram, which announces it by a signed webhook. @returns its id there */
export async function fire({ sandbox }: Cast, event: object): Promise<string> {
  const fired = await sandbox.post('/sandbox/instagram/fire', event, Fired);
  // Meta repeats, and in the end unsubscribes, what is not taken with 200.
  expectEqual('What Tally answers the webhook', fired.status, 200);
  return fired.comment_id ?? fired.mid ?? '';
}

/** The event, once it is decided and its job, where it has one, has ended. */
export async function eventOf({ screen, tenant }: Cast, externalId: string): Promise<Event> {
  const path = '/api/instagram/accounts';
  const isOver = ({ job_id, job_status }: Event): boolean =>
    job_id === null || !['queued', 'running', null].includes(job_status);
  const ask = async () => {
    const { accounts } = await tenant.quiet.get(path, Accounts);
    const event = accounts[0]?.recent_events.find(({ external_id }) => external_id === externalId);
    return { found: event && isOver(event) ? event : undefined, seen: event ?? accounts };
  };
  return screen.during('Waiting for the answer on Instagram', until('An event on Instagram is over', ask));
}

/** Every message that Instagram was asked to send. */
export async function sendsOf({ sandbox }: Cast): Promise<Send[]> {
  const path = `/sandbox/instagram/sends?ig_user_id=${igUserId}`;
  return (await sandbox.quiet.get(path, z.object({ sends: z.array(Send) }))).sends;
}
