/** How often an account, or an address, may knock. Counted in Redis; in this process alone while Redis is away. */
import { type Config, type RedisClient, TallyError } from '@tally/core';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { limits } from '../limits.ts';

export type RateLimits = {
  /** @throws TallyError `rate_limited` */
  submission(accountId: string): Promise<void>;
  /** @throws TallyError `rate_limited` */
  read(accountId: string): Promise<void>;
  /** @throws TallyError `rate_limited` */
  export(accountId: string): Promise<void>;
  registration(address: string): Promise<void>;
  login: {
    /** @throws TallyError `rate_limited` where this address has failed too often, for this account or for all */
    check(email: string, address: string): Promise<void>;
    /** @throws TallyError `rate_limited` where this failure is one too many */
    failed(email: string, address: string): Promise<void>;
    /** Forgets the failures. @throws TallyError `rate_limited` where too many came at the same time */
    succeeded(email: string, address: string): Promise<void>;
  };
};

type Limiter = Pick<RateLimiterRedis, 'consume' | 'get' | 'delete'>;

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
  const exports = limiter('export', limits.exportsPerHour, 3_600);
  const { logins } = config.limits;
  const ofAccount = limiter('login', logins, limits.loginWindowSeconds);
  const ofAddress = limiter('address', logins * limits.loginsPerAddressFactor, limits.loginWindowSeconds);
  const registrations = limiter('register', logins * limits.loginsPerAddressFactor, limits.loginWindowSeconds);
  const pair = (email: string, address: string) => `${email.toLowerCase()}|${address}`;
  const check = async (email: string, address: string): Promise<void> => {
    const [account, all] = await Promise.all([ofAccount?.get(pair(email, address)), ofAddress?.get(address)]);
    const spent = [
      { state: account, points: logins },
      { state: all, points: logins * limits.loginsPerAddressFactor },
    ].find(({ state, points }) => state !== undefined && state !== null && state.consumedPoints >= points);
    if (spent?.state) throw tooMany('failed logins', spent.state.msBeforeNext);
  };
  return {
    submission: (accountId) => consume(submissions, accountId, 'submissions'),
    read: (accountId) => consume(reads, accountId, 'requests'),
    export: (accountId) => consume(exports, accountId, 'exports'),
    registration: (address) => consume(registrations, address, 'registrations'),
    login: {
      check,
      failed: async (email, address) => {
        await Promise.all([
          consume(ofAccount, pair(email, address), 'failed logins'),
          consume(ofAddress, address, 'failed logins'),
        ]);
      },
      succeeded: async (email, address) => {
        // Guesses that run at the same time all pass the first check; none of them may be right once they are too many.
        await check(email, address);
        await ofAccount?.delete(pair(email, address));
      },
    },
  };
}

async function consume(limiter: Limiter | undefined, key: string, what: string): Promise<void> {
  try {
    await limiter?.consume(key);
  } catch (error) {
    if (error instanceof RateLimiterRes) throw tooMany(what, error.msBeforeNext);
    throw error;
  }
}

const tooMany = (what: string, retryAfterMs: number) =>
  new TallyError('rate_limited', `Too many ${what}, try again later`, { retryAfterMs });
