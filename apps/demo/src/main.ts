/** `npm run demo`: an installation of its own, Tally's story in ten chapters, and nothing left behind. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Untold } from './expect.ts';
import { startInstallation } from './installation.ts';
import { createScreen } from './screen.ts';
import { stopAsked } from './stop-asked.ts';
import { tellStory } from './story.ts';

const startedAt = Date.now();
const screen = createScreen(process.stdout, process.env);
const stop = stopAsked();
const installation = startInstallation(screen, process.env);

/** @returns what went wrong, or undefined */
async function faultOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof Untold) return error.message;
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

const story = installation.ready.then((addresses) => tellStory(screen, addresses));
const fault = await faultOf(Promise.race([story, installation.ended, stop.asked]));
// What still runs of a story that was broken off has nothing more to say.
screen.mute();
const closing = createScreen(process.stdout, process.env);
const chapter = screen.chapterTold();
if (fault !== undefined) closing.fail(fault, chapter);
const leftover = await faultOf(closing.during('Stopping everything', installation.stop()));
if (leftover !== undefined) closing.fail(leftover);
const isAsTold = fault === undefined && leftover === undefined;
if (isAsTold) {
  const seconds = Math.round((Date.now() - startedAt) / 1_000);
  closing.end(
    `Every step was as told: ${chapter?.number} chapters in ${seconds} s. All of it is stopped and removed again.`,
  );
}
// Words to a pipe are on their way only.
await Promise.race([closing.flushed(), sleep(1_000)]);
process.exit(isAsTold ? 0 : 1);
