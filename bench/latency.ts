/** Measures a single job's latency over HTTP with `Prefer: wait`, compared with BullMQ's own waiting. */
import type { LoadResult } from './children/load.ts';
import type { Installation } from './installation.ts';
import { startSides } from './metered.ts';
import { say } from './rounds.ts';
import { type Percentiles, percentilesOf } from './statistics.ts';
import { type SubmitSide, startApis, startLoad } from './submissions.ts';
import type { World } from './world.ts';

export type Latency = { tally: Percentiles; bare: Percentiles; jobs: number };

const coldJobs = 100;

export async function measureLatency(
  world: World,
  installation: Installation,
  size: { rounds: number; jobs: number },
): Promise<Latency> {
  const [load, workers, apis] = await Promise.all([
    startLoad(world),
    startSides(world, installation),
    startApis(world, installation),
  ]);
  await Promise.all([workers.tally.worker.call('work'), workers.bare.worker.call('work')]);
  const oneByOne = async (side: SubmitSide, count: number): Promise<number[]> => {
    const requests = side.load.requests.map(({ headers, body }) => ({
      headers: { ...headers, prefer: 'wait=30' },
      body,
    }));
    const how = { ...side.load, requests, count, connections: 1, expectedStatus: 200 };
    return (await load.call<LoadResult>('send', how)).latenciesMs;
  };
  await oneByOne(apis.tally, coldJobs);
  await oneByOne(apis.bare, coldJobs);
  const [tally, bare]: [number[], number[]] = [[], []];
  for (let round = 1; round <= size.rounds; round++) {
    tally.push(...(await oneByOne(apis.tally, size.jobs)));
    bare.push(...(await oneByOne(apis.bare, size.jobs)));
    say(`one job at a time: round ${round} of ${size.rounds}`);
  }
  const all = [load, apis.tally.api, apis.bare.api, workers.tally.worker, workers.bare.worker];
  await Promise.all(all.map((child) => child.stop()));
  return { tally: percentilesOf(tally), bare: percentilesOf(bare), jobs: tally.length };
}
