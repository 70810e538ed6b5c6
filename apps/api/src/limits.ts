/** Every limit of the HTTP door (DESIGN section 6); the rates come from the configuration. */
export const limits = {
  maxBodyBytes: 256 * 1024,
  maxJsonDepth: 32,
  maxPasswordCharacters: 200,
  minPasswordCharacters: 8,
  maxTitleCharacters: 200,
  maxKnowledgeCharacters: 100_000,
  maxReasonCharacters: 200,
  maxGrantTokens: 1_000_000_000_000,
  maxIdempotencyKeyCharacters: 200,
  maxApiKeys: 50,
  maxPageSize: 100,
  maxWaitSeconds: 30,
  loginWindowSeconds: 15 * 60,
  /** Failed logins from one address, over all accounts, as a multiple of the limit for one account. */
  loginsPerAddressFactor: 10,
  tokenLifetimeSeconds: 24 * 3_600,
} as const;
