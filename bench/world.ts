/** Starts what the bench runs on: its own Postgres, Redis and sandbox in a temporary folder. */
import { createCleanUp, migrateAt, runOn, type Services, startServices, withDatabase } from '@tally/testing';
import { type Child, startChild, stopChildren } from './process.ts';

/** The services are durable, as in `npm start`. */
export type World = Services & {
  sandbox: Child;
  /** Creates a database with the schema and returns its URL. */
  newDatabase(name: string): Promise<string>;
  /** Sets the model's response time. Its answers are short, so that generating them does not affect the measurement. */
  setModelDelay(delayMs: number): Promise<void>;
  /** The model's own count of the calls it has answered. */
  readBook(): Promise<{ answered: number; prompt_tokens: number }>;
};

const templateName = 'bench_template';
const answerTokens = 30;
const { closeLater, close } = createCleanUp();

/** Registers a clean-up function; they run at the end in reverse order. */
export const atEnd = closeLater;

/** Starts everything; {@link endWorld} ends it, even if this throws. */
export async function startWorld(): Promise<World> {
  const services = await startServices({ durable: true }, closeLater);
  const { folder, postgres } = services;
  const sandbox = await startChild('apps/sandbox/src/main.ts', {
    folder,
    env: { SANDBOX_PORT: '0', LOG_LEVEL: 'warn' },
  });
  await runOn(postgres.url, `create database ${templateName}`);
  await migrateAt(withDatabase(postgres.url, templateName));

  const setModelDelay = async (delayMs: number) => {
    const body = JSON.stringify({ delay_ms: delayMs, output_tokens: answerTokens });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${sandbox.url}/sandbox/settings`, { method: 'PUT', headers, body });
    if (!answer.ok) throw new Error(`the sandbox refused its settings: ${await answer.text()}`);
  };
  await setModelDelay(0);
  return {
    ...services,
    sandbox,
    setModelDelay,
    newDatabase: async (name) => {
      await runOn(postgres.url, `create database ${name} template ${templateName}`);
      return withDatabase(postgres.url, name);
    },
    readBook: async () => {
      const answer = await fetch(`${sandbox.url}/sandbox/book/totals`);
      return ((await answer.json()) as { totals: { answered: number; prompt_tokens: number } }).totals;
    },
  };
}

/** Ends every process and removes the folder. Safe to call at any time. */
export async function endWorld(): Promise<void> {
  await stopChildren();
  await close();
}
