/** Per-account and per-IP rate limits, counted in Redis; per process while Redis is unavailable. */
import { type Config, type RedisClient, TallyError } from '@tally/core';
import pLimit from 'p-limit';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { limits } from '../limits.ts';

/** Where a request comes from: the client's address (IPv6 /64) and its network (IPv6 /48). */
export type Origin = { address: string; network: string };

/** Right credentials; `isComplete` is false where a code is still missing, which resets no counter. */
export type Checked<T> = { found: T; isComplete: boolean };

export type RateLimits = {
  /** @throws TallyError `rate_limited` */
  submission(accountId: string): Promise<void>;
  /** @throws TallyError `rate_limited` */
  read(accountId: string): Promise<void>;
  /** Counts bytes of request bodies. @throws TallyError `rate_limited` */
  written(accountId: string, bytes: number): Promise<void>;
  /** @throws TallyError `rate_limited` */
  export(accountId: string): Promise<void>;
  /** @throws TallyError `rate_limited` */
  registration(network: string): Promise<void>;
  /** The OpenAPI document, which is large; per network and process. @throws TallyError `rate_limited` */
  document(network: string): Promise<void>;
  /** E-mails per recipient. @throws TallyError `rate_limited` */
  mail(email: string): Promise<void>;
  /** E-mail links requested or followed per network. @throws TallyError `rate_limited` */
  link(network: string): Promise<void>;
  /** Free plans for new accounts, per network and day; `take` is false at the limit. */
  signupPlan: { take(network: string): Promise<boolean>; refund(network: string): Promise<void> };
  /**
   * Runs `check` on a password; undefined means wrong, and counts. Few checks run at a time per network, and none after
   * too many failures, since a hash costs more than a refusal.
   * @throws TallyError `rate_limited` where this address has failed too often, for this account or over all
   */
  passwordAttempt<T>(email: string, from: Origin, check: () => Promise<Checked<T> | undefined>): Promise<T | undefined>;
  /** Wrong codes per account, over all networks: they need the right password. @throws TallyError `rate_limited` */
  codes: { check(accountId: string): Promise<void>; wrong(accountId: string): Promise<void> };
};

type Limiter = Pick<RateLimiterRedis, 'consume' | 'get' | 'delete' | 'reward'>;

/** Builds the limits; a limit of 0 means none. */
export function createRateLimits(redis: RedisClient, config: Pick<Config, 'limits' | 'redisKeyPrefix'>): RateLimits {
  const limiter = (name: string, points: number, duration: number): Limiter | undefined => {
    if (points === 0) return undefined;
    const keyPrefix = `${config.redisKeyPrefix}:rate:${name}`;
    const insuranceLimiter = new RateLimiterMemory({ keyPrefix, points, duration });
    return new RateLimiterRedis({ storeClient: redis, keyPrefix, points, duration, insuranceLimiter });
  };
  const submissions = limiter('submit', config.limits.submissionsPerMinute, 60);
  const reads = limiter('read', config.limits.readsPerMinute, 60);
  const written = limiter('written', limits.writtenKilobytesPerMinute, 60);
  const exports = limiter('export', limits.exportsPerHour, 3_600);
  const { logins } = config.limits;
  const failuresByAccount = limiter('login', logins, limits.loginWindowSeconds);
  const failuresByAddress = limiter('address', logins * limits.loginsPerAddressFactor, limits.loginWindowSeconds);
  const registrations = limiter('register', logins * limits.loginsPerAddressFactor, limits.loginWindowSeconds);
  const pair = (email: string, address: string) => `${email.toLowerCase()}|${address}`;
  const documents = new RateLimiterMemory({ points: limits.documentsPerMinute, duration: 60 });
  const mails = limiter('mail', limits.mailsPerHour, 3_600);
  const wrongCodes = limiter('code', limits.wrongCodesPerHour, 3_600) as Limiter;
  const links = limiter('link', limits.linksPerHour, 3_600);
  const signupPlans = limiter('signup-plan', config.limits.signupPlans, 86_400);
  const inTurn = limitConcurrency(limits.maxConcurrentPasswordChecks, limits.maxWaitingPasswordChecks);
  const refuseAfterFailures = async (email: string, address: string): Promise<void> => {
    const [account, all] = await Promise.all([
      failuresByAccount?.get(pair(email, address)),
      failuresByAddress?.get(address),
    ]);
    const exhausted = [
      { state: account, points: logins },
      { state: all, points: logins * limits.loginsPerAddressFactor },
    ].find(({ state, points }) => state !== undefined && state !== null && state.consumedPoints >= points);
    if (exhausted?.state) throw tooMany('failed logins', exhausted.state.msBeforeNext);
  };
  return {
    submission: (accountId) => consume(submissions, accountId, 'submissions'),
    read: (accountId) => consume(reads, accountId, 'requests'),
    written: (accountId, bytes) => consume(written, accountId, 'bytes written', Math.ceil(bytes / 1_000)),
    export: (accountId) => consume(exports, accountId, 'exports'),
    registration: (network) => consume(registrations, network, 'registrations'),
    document: (network) => consume(documents, network, 'requests for the document'),
    mail: (email) => consume(mails, email, 'e-mails to this address'),
    link: (network) => consume(links, network, 'links'),
    signupPlan: {
      take: (network) =>
        consume(signupPlans, network, 'new plans').then(
          () => true,
          () => false,
        ),
      refund: async (network) => {
        await signupPlans?.reward(network);
      },
    },
    codes: {
      check: async (accountId) => {
        const state = await wrongCodes.get(accountId);
        if (state !== null && state.consumedPoints >= limits.wrongCodesPerHour)
          throw tooMany('wrong codes', state.msBeforeNext);
      },
      wrong: (accountId) => consume(wrongCodes, accountId, 'wrong codes'),
    },
    passwordAttempt: (email, { address, network }, check) =>
      inTurn(network, async () => {
        await refuseAfterFailures(email, address);
        const checked = await check();
        if (checked === undefined) {
          await Promise.all([
            consume(failuresByAccount, pair(email, address), 'failed logins'),
            consume(failuresByAddress, address, 'failed logins'),
          ]);
          return undefined;
        }
        // Concurrent attempts all pass the first check; a right one must not succeed once the others reach the limit.
        await refuseAfterFailures(email, address);
        if (checked.isComplete) await failuresByAccount?.delete(pair(email, address));
        return checked.found;
      }),
  };
}

/** Limits concurrent work per key. @throws TallyError `rate_limited` where too much waits */
function limitConcurrency(maxConcurrent: number, maxWaiting: number) {
  const byKey = new Map<string, ReturnType<typeof pLimit>>();
  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const queue = byKey.get(key) ?? pLimit(maxConcurrent);
    if (queue.pendingCount >= maxWaiting) throw tooMany('logins at once', 1_000);
    byKey.set(key, queue);
    try {
      return await queue(work);
    } finally {
      if (queue.activeCount + queue.pendingCount === 0) byKey.delete(key);
    }
  };
}

async function consume(limiter: Limiter | undefined, key: string, what: string, points = 1): Promise<void> {
  try {
    await limiter?.consume(key, points);
  } catch (error) {
    if (error instanceof RateLimiterRes) throw tooMany(what, error.msBeforeNext);
    throw error;
  }
}

const tooMany = (what: string, retryAfterMs: number) =>
  new TallyError('rate_limited', `Too many ${what}, try again later`, { retryAfterMs });
