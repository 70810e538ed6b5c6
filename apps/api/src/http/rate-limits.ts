/** How often an account, or an address, may knock. Counted in Redis; in this process alone while Redis is away. */
import { type Config, type RedisClient, TallyError } from '@tally/core';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { limits } from '../limits.ts';

export type RateLimits = {
  /** @throws TallyError `rate_limited` */
  submission(accountId: string): Promise<void>;
  /** @throws TallyError `rate_limited` */
  read(accountId: string): Promise<void>;
  login: {
    /** @throws TallyError `rate_limited` where this address has failed too often, for this account or for all */
    check(email: string, address: string): Promise<void>;
    failed(email: string, address: string): Promise<void>;
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
  const { logins } = config.limits;
  const ofAccount = limiter('login', logins, limits.loginWindowSeconds);
  const ofAddress = limiter('address', logins * limits.loginsPerAddressFactor, limits.loginWindowSeconds);
  const pair = (email: string, address: string) => `${email.toLowerCase()}|${address}`;
  return {
    submission: (accountId) => consume(submissions, accountId, 'submissions'),
    read: (accountId) => consume(reads, accountId, 'requests'),
    login: {
      check: async (email, address) => {
        const [account, all] = await Promise.all([ofAccount?.get(pair(email, address)), ofAddress?.get(address)]);
        const spent = [
          { state: account, points: logins },
          { state: all, points: logins * limits.loginsPerAddressFactor },
        ].find(({ state, points }) => state !== undefined && state !== null && state.consumedPoints >= points);
        if (spent?.state) throw tooMany('failed logins', spent.state.msBeforeNext);
      },
      failed: async (email, address) => {
        await Promise.all([
          ofAccount?.consume(pair(email, address)).catch(() => undefined),
          ofAddress?.consume(address).catch(() => undefined),
        ]);
      },
      succeeded: async (email, address) => {
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
