/** How often an account, or an address, may knock. Counted in Redis; in this process alone while Redis is away. */
import { type Config, type RedisClient, TallyError } from '@tally/core';
import pLimit from 'p-limit';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { limits } from '../limits.ts';

/** Where a request comes from: its address as limits count it, and the network around that. */
export type Origin = { address: string; network: string };

/** `isWhole` false: right so far, which forgives nothing. */
export type Judged<T> = { found: T; isWhole: boolean };

export type RateLimits = {
  /** @throws TallyError `rate_limited` */
  submission(accountId: string): Promise<void>;
  /** @throws TallyError `rate_limited` */
  read(accountId: string): Promise<void>;
  /** Counts what is written, in bytes of request bodies. @throws TallyError `rate_limited` */
  written(accountId: string, bytes: number): Promise<void>;
  /** @throws TallyError `rate_limited` */
  export(accountId: string): Promise<void>;
  registration(network: string): Promise<void>;
  /** The API's document, which is large, for one network and at this process. @throws TallyError `rate_limited` */
  document(network: string): Promise<void>;
  /** E-mails to one address. @throws TallyError `rate_limited` */
  mail(email: string): Promise<void>;
  /** Links that are asked for and followed from one network. @throws TallyError `rate_limited` */
  link(network: string): Promise<void>;
  /** Plans for new accounts, which cost nothing: so many a day for one network. */
  signupPlan: { take(network: string): Promise<boolean>; refund(network: string): Promise<void> };
  /**
   * Judges a guess at a password: undefined is a wrong one, and counts. Of one address a few are judged at a time, and none
   * once it has failed too often: a hash costs more than the refusal.
   * @throws TallyError `rate_limited` where this address has failed too often, for this account or for all
   */
  guess<T>(email: string, from: Origin, judge: () => Promise<Judged<T> | undefined>): Promise<T | undefined>;
  /** Wrong codes of one account, whoever sends them: only who has the password does. @throws TallyError `rate_limited` */
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
  const ofAccount = limiter('login', logins, limits.loginWindowSeconds);
  const ofAddress = limiter('address', logins * limits.loginsPerAddressFactor, limits.loginWindowSeconds);
  const registrations = limiter('register', logins * limits.loginsPerAddressFactor, limits.loginWindowSeconds);
  const pair = (email: string, address: string) => `${email.toLowerCase()}|${address}`;
  const documents = new RateLimiterMemory({ points: limits.documentsPerMinute, duration: 60 });
  const mails = limiter('mail', limits.mailsPerHour, 3_600);
  const wrongCodes = limiter('code', limits.wrongCodesPerHour, 3_600) as Limiter;
  const links = limiter('link', limits.linksPerHour, 3_600);
  const signupPlans = limiter('signup-plan', config.limits.signupPlans, 86_400);
  const turnOf = createTurns(limits.guessesAtATime, limits.maxGuessesWaiting);
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
    guess: (email, { address, network }, judge) =>
      turnOf(network, async () => {
        await check(email, address);
        const judged = await judge();
        if (judged === undefined) {
          await Promise.all([
            consume(ofAccount, pair(email, address), 'failed logins'),
            consume(ofAddress, address, 'failed logins'),
          ]);
          return undefined;
        }
        // Guesses that run at the same time all pass the first check; none of them may be right once they are too many.
        await check(email, address);
        if (judged.isWhole) await ofAccount?.delete(pair(email, address));
        return judged.found;
      }),
  };
}

/** Runs what comes under one key a few at a time. */
function createTurns(atATime: number, maxWaiting: number) {
  const byKey = new Map<string, ReturnType<typeof pLimit>>();
  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const turns = byKey.get(key) ?? pLimit(atATime);
    if (turns.pendingCount >= maxWaiting) throw tooMany('logins at once', 1_000);
    byKey.set(key, turns);
    try {
      return await turns(work);
    } finally {
      if (turns.activeCount + turns.pendingCount === 0) byKey.delete(key);
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
