/** Every fixed limit of the HTTP API; configurable rates are settings. */
export const limits = {
  maxBodyBytes: 256 * 1024,
  /** Unauthenticated bodies: fits an e-mail address and a password with every character escaped. */
  maxCredentialsBytes: 8 * 1024,
  maxJsonDepth: 32,
  maxPasswordCharacters: 200,
  minPasswordCharacters: 10,
  maxTitleCharacters: 200,
  maxKnowledgeCharacters: 100_000,
  maxPromptCharacters: 8_000,
  maxProductTextCharacters: 5_000,
  maxImages: 50,
  maxKeywords: 50,
  /** Per account: each comment is matched against all of its workflows before Meta gets its 200. */
  maxWorkflows: 100,
  /** Over all workflows of an account. */
  maxKeywordLetters: 50_000,
  maxInstagramAccounts: 50,
  maxKeywordCharacters: 100,
  maxAccessTokenCharacters: 4_000,
  /** Meta batches up to 1,000 updates in one body. */
  maxWebhookBytes: 4 * 1024 * 1024,
  /** All webhook bodies in flight together: a signature can be checked only on a complete body. */
  maxArrivingWebhookBytes: 96 * 1024 * 1024,
  /** At that limit, the body in flight for longest is dropped once it is older than this. */
  webhookGraceMs: 1_000,
  eventsShown: 20,
  messagesShown: 200,
  maxReasonCharacters: 200,
  maxGrantTokens: 1_000_000_000_000,
  maxIdempotencyKeyCharacters: 200,
  maxApiKeys: 50,
  maxPageSize: 100,
  /** A page of texts ends with the entry that reaches this size. */
  maxPageTextBytes: 1024 * 1024,
  maxWaitSeconds: 30,
  /** Event streams per API process; each may buffer one event for a slow reader. */
  streams: {
    maxStreams: 2_000,
    maxStreamsPerAccount: 100,
    heartbeatMs: 15_000,
    lifetimeMs: 10 * 60_000,
    /** How soon the streams of an ended login are closed. */
    recheckMs: 2_000,
  },
  loginWindowSeconds: 15 * 60,
  /**
   * Failed logins per client address over all accounts, as a multiple of the limit per account. Registrations per
   * network have the same limit: each costs a password hash and reveals whether an e-mail address is taken.
   */
  loginsPerAddressFactor: 10,
  /** Per network: password checks that run at a time, and those that wait behind them. */
  maxConcurrentPasswordChecks: 4,
  maxWaitingPasswordChecks: 100,
  /** Per account, in request bodies: rows that are written and deleted repeatedly leave dead tuples in Postgres. */
  writtenKilobytesPerMinute: 5_000,
  exportsPerHour: 5,
  /** The OpenAPI document has about 200 KB. */
  documentsPerMinute: 300,
  /** Per recipient. */
  mailsPerHour: 5,
  /** Second-factor codes sent with the right password, per account. */
  wrongCodesPerHour: 20,
  /** E-mail links requested or followed, per network. */
  linksPerHour: 60,
  /** How long the request erases rows itself; housekeeping removes the rest. */
  eraseWithinMs: 5_000,
  tokenLifetimeSeconds: 24 * 3_600,
  recentLoginSeconds: 3_600,
} as const;
