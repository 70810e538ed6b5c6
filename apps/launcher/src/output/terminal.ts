/** Prints the launcher's output and the progress of slow steps. */

const announceAfterMs = 2_000;

export function say(text: string): void {
  console.log(text);
}

/** Waits for `work`, and prints what it waits for if that takes more than 2 s. */
export async function during<T>(what: string, work: Promise<T>): Promise<T> {
  const started = Date.now();
  let isAnnounced = false;
  const timer = setTimeout(() => {
    isAnnounced = true;
    say(`${what}…`);
  }, announceAfterMs);
  try {
    const result = await work;
    if (isAnnounced) say(`${what}: done after ${((Date.now() - started) / 1_000).toFixed(1)} s`);
    return result;
  } finally {
    clearTimeout(timer);
  }
}
