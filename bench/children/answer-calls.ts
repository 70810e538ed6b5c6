/** Runs in a bench child process: answers the bench's function calls over IPC and exits with the bench. */
import { onShutdown, reportReady } from '@tally/core';

export type Call = { id: number; name: string; input: unknown };
export type Answer = { id: number; output?: unknown; error?: string };

const shutdownLimitMs = 15_000;

/** Answers calls of `functions` until the bench exits, then closes. */
export function answerCalls(
  functions: Record<string, (input: never) => unknown>,
  options: { close?: () => Promise<void>; url?: string } = {},
): void {
  const offered: typeof functions = { cpuMs, ...functions };
  process.on('message', async ({ id, name, input }: Call) => {
    try {
      process.send?.({ id, output: await offered[name]?.(input as never) } satisfies Answer);
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  onShutdown(async () => options.close?.(), shutdownLimitMs);
  reportReady(options.url === undefined ? {} : { url: options.url });
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
