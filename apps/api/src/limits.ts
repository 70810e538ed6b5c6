/** Every limit of the HTTP door (DESIGN section 6); the rates come from the configuration. */
export const limits = {
  maxBodyBytes: 256 * 1024,
  /** Of strangers: an address and a password, however they are escaped. */
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
  /** Every comment on an account is held against all of its workflows, while Meta waits for its 200. */
  maxWorkflows: 100,
  /** Of all of them together. */
  maxKeywordLetters: 50_000,
  maxInstagramAccounts: 50,
  maxKeywordCharacters: 100,
  maxAccessTokenCharacters: 4_000,
  /** Meta sends up to 1,000 updates in one body. */
  maxWebhookBytes: 4 * 1024 * 1024,
  /** Of all webhooks that are on their way in: who signed them is known only when they are whole. */
  maxArrivingWebhookBytes: 96 * 1024 * 1024,
  /** A webhook that takes longer makes room for others where room is short. */
  webhookGraceMs: 1_000,
  eventsShown: 20,
  messagesShown: 200,
  maxReasonCharacters: 200,
  maxGrantTokens: 1_000_000_000_000,
  maxIdempotencyKeyCharacters: 200,
  maxApiKeys: 50,
  maxPageSize: 100,
  /** A page of texts ends with the entry that reaches this. */
  maxPageTextBytes: 1024 * 1024,
  maxWaitSeconds: 30,
  /** Event streams, at one API process; each may hold one event for a slow reader. */
  streams: {
    maxStreams: 2_000,
    maxStreamsPerAccount: 100,
    heartbeatMs: 15_000,
    lifetimeMs: 10 * 60_000,
    /** A login that has ended since ends its streams within that. */
    recheckMs: 2_000,
  },
  loginWindowSeconds: 15 * 60,
  /**
   * Failed logins from one address, over all accounts, as a multiple of the limit for one account; and registrations,
   * each of which costs a password's hash and says whether an address is taken.
   */
  loginsPerAddressFactor: 10,
  /** Of one address: what waits for its hash, and what waits for that. */
  guessesAtATime: 4,
  maxGuessesWaiting: 100,
  /** Of what is stored and deleted again and again, the database has its rubbish. */
  writtenKilobytesPerMinute: 5_000,
  exportsPerHour: 5,
  /** A fifth of a megabyte each. */
  documentsPerMinute: 300,
  /** To one address. */
  mailsPerHour: 5,
  /** Of a second factor, after the right password. */
  wrongCodesPerHour: 20,
  /** Links by e-mail that are asked for, and followed, from one network. */
  linksPerHour: 60,
  /** What is left of an erased account after that is housekeeping's. */
  eraseWithinMs: 5_000,
  tokenLifetimeSeconds: 24 * 3_600,
  recentLoginSeconds: 3_600,
} as const;
