/** Clean-up at the end of a test, a test file or a tool, and temporary folders. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Registers a clean-up function; they run at the end in reverse order. */
export type CloseLater = (cleanUp: () => Promise<void>) => void;

/** For tools; tests use `afterAll` and `onTestFinished`. */
export function createCleanUp(): { closeLater: CloseLater; close(): Promise<void> } {
  const cleanUps: (() => Promise<void>)[] = [];
  return {
    closeLater: (cleanUp) => void cleanUps.push(cleanUp),
    close: async () => {
      for (let next = cleanUps.pop(); next !== undefined; next = cleanUps.pop()) await next().catch(() => undefined);
    },
  };
}

/** A folder that other users can enter, because as root Postgres runs as another user. Removed at the end. */
export async function temporaryFolder(closeLater: CloseLater): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tally-test-'));
  await chmod(folder, 0o755);
  closeLater(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));
  return folder;
}
