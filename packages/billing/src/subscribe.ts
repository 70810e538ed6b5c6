/** Starts a subscription for an account now, or books one for a later date. */
import { idFrom, newId, TallyError } from '@tally/core';
import { type Database, listPlans, type NewPeriod, type Plan, startOrBookPeriod } from '@tally/db';
import type { Billing } from './services.ts';

const dayMs = 86_400_000;

export type SubscribeRequest = {
  accountId: string;
  planId: string;
  /** By default the plan's. */
  tokens?: number | undefined;
  status: NewPeriod['status'];
  /** By default now, or one period before an `endsAt` in the past. */
  startsAt?: Date | undefined;
  /** By default one period after `startsAt`. */
  endsAt?: Date | undefined;
  /** By default true, unless `endsAt` is given. */
  renews?: boolean | undefined;
  /** A repeated request with the same key, such as after a lost response, starts nothing more. */
  idempotencyKey?: string | undefined;
  grantedBy: string | null;
};

/**
 * Starts a subscription and ends the running one; a later one is booked and leaves the running one unchanged.
 * @throws TallyError `invalid_input` for an unknown plan or invalid dates, `idempotency_conflict` for an expired key
 */
export async function subscribe(billing: Pick<Billing, 'db'>, request: SubscribeRequest): Promise<void> {
  const { accountId, idempotencyKey } = request;
  const period = { accountId, grantedBy: request.grantedBy, ...(await termsOf(billing.db, request)) };
  const id = idempotencyKey === undefined ? newId() : idFrom(`subscription ${accountId} ${idempotencyKey}`);
  const outcome = await startOrBookPeriod(billing.db, id, period);
  if (outcome === 'repeated_late')
    throw new TallyError('idempotency_conflict', 'This Idempotency-Key started an earlier period: use a new one');
}

/** The terms of a new period, with the plan's defaults where the request names none. */
export async function termsOf(
  db: Database,
  request: Omit<SubscribeRequest, 'accountId' | 'idempotencyKey' | 'grantedBy'>,
): Promise<Omit<NewPeriod, 'accountId' | 'grantedBy'>> {
  const plan = (await listPlans(db)).find(({ id }) => id === request.planId);
  if (plan === undefined) throw invalidField('plan', 'There is no such plan');
  const startsAt = request.startsAt ?? impliedStart(plan, request.endsAt);
  const endsAt = request.endsAt ?? new Date(startsAt.getTime() + plan.periodDays * dayMs);
  if (endsAt < startsAt) throw invalidField('ends_at', 'ends_at is before starts_at');
  const { status } = request;
  const renews = request.renews ?? request.endsAt === undefined;
  return { planId: plan.id, tokens: request.tokens ?? plan.tokens, status, renews, startsAt, endsAt };
}

const invalidField = (path: string, message: string) =>
  new TallyError('invalid_input', message, { details: [{ path, message }] });

/** A subscription that ends in the past must start before that. */
function impliedStart(plan: Plan, endsAt: Date | undefined): Date {
  const now = new Date();
  return endsAt === undefined || endsAt > now ? now : new Date(endsAt.getTime() - plan.periodDays * dayMs);
}
