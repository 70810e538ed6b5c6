/** What ends a test, a file or a run, and the folders that go with it. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Registers what is run at the end, latest first. */
export type CloseLater = (cleanUp: () => Promise<void>) => void;

/** For tools: tests have `afterAll` and `onTestFinished`. */
export function createCleanUp(): { closeLater: CloseLater; close(): Promise<void> } {
  const cleanUps: (() => Promise<void>)[] = [];
  return {
    closeLater: (cleanUp) => void cleanUps.push(cleanUp),
    close: async () => {
      for (let next = cleanUps.pop(); next !== undefined; next = cleanUps.pop()) await next().catch(() => undefined);
    },
  };
}

/** A folder that other users can enter: as root Postgres runs as another user. Removed at the end. */
export async function temporaryFolder(closeLater: CloseLater): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tally-test-'));
  await chmod(folder, 0o755);
  closeLater(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));
  return folder;
}
