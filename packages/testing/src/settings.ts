/** Settings common to every API and worker under test. */

export const metricsToken = 'token-for-metrics-in-tests';
export const instagramSecret = 'test-instagram-app-secret';

export const testSettings = {
  NODE_ENV: 'test',
  OPENAI_API_KEY: 'test',
  JWT_SECRET: 'a secret for tests that is long enough',
  ENCRYPTION_KEY: '00'.repeat(32),
  METRICS_TOKEN: metricsToken,
  INSTAGRAM_APP_SECRET: instagramSecret,
  INSTAGRAM_VERIFY_TOKEN: 'VERIFY',
  DEMO_DATA: 'off',
  PORT: '0',
} as const satisfies Record<string, string>;
