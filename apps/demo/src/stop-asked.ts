/** The ways in which the demo is told to end early. */
import { Untold } from './expect.ts';

/** `asked` rejects with an {@link Untold} at the first request: Ctrl-C, a kill, a closed terminal or pipe. */
export function stopAsked(): { asked: Promise<never> } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const reasons = { SIGINT: 'Ctrl-C', SIGTERM: 'SIGTERM', SIGHUP: 'SIGHUP' } as const;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => reject(new Untold(`Stopped by ${reasons[signal]} before its end.`)));
  // Without a listener, `npm run demo | head` would end here with an installation that still runs.
  process.stdout.on('error', () => reject(new Untold('Nobody reads any more.')));
  return { asked: promise };
}
