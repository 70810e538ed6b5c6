/** Starts one Postgres and one Redis for the test run, with a migrated template database that test files clone. */
import type { TestProject } from 'vitest/node';
import { createCleanUp } from '../clean-up.ts';
import { migrateAt, runOn, startServices, withDatabase } from '../services.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    postgresUrl: string;
    redisUrl: string;
  }
}

export const templateName = 'tally_template';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { closeLater, close } = createCleanUp();
  const { postgres, redis } = await startServices({ persist: false }, closeLater);
  await runOn(postgres.url, `create database ${templateName}`);
  await migrateAt(withDatabase(postgres.url, templateName));
  project.provide('postgresUrl', postgres.url);
  project.provide('redisUrl', redis.url);
  return close;
}
