/** Measures submissions per second through the API, compared with bare Hono and `queue.add`. No worker is running. */
import type { Load, LoadResult } from './children/load.ts';
import { type Installation, questions } from './installation.ts';
import { type Child, startChild } from './process.ts';
import { alternate, type Comparison, say } from './rounds.ts';
import { percentilesOf } from './statistics.ts';
import type { World } from './world.ts';

/** CPU time is the API process', per submission. */
export type SubmissionFigures = {
  submissionsPerSecond: number;
  apiCpuMs: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
};

export const loadConnections = 48;

/** One side of the comparison: an API process and its requests. */
export type SubmitSide = { api: Child; load: Pick<Load, 'url' | 'path' | 'requests'> };

export async function measureSubmissions(
  world: World,
  installation: Installation,
  size: { rounds: number; cold: number; submissions: number },
): Promise<Comparison<keyof SubmissionFigures>> {
  const load = await startLoad(world);
  const sides = await startApis(world, installation);
  const round = (side: SubmitSide, count: number) => submitAll(load, side, { count, connections: loadConnections });
  say(`warming up both APIs with ${size.cold} submissions`);
  await round(sides.tally, size.cold);
  await round(sides.bare, size.cold);
  const figures = await alternate('submissions', size.rounds, {
    tally: () => round(sides.tally, size.submissions),
    bare: () => round(sides.bare, size.submissions),
  });
  await Promise.all([load.stop(), sides.tally.api.stop(), sides.bare.api.stop()]);
  return figures;
}

/** Starts the process that sends requests. */
export const startLoad = (world: World): Promise<Child> =>
  startChild('bench/children/load.ts', { env: {}, folder: world.folder });

export async function startApis(
  world: World,
  { env, accounts, task }: Installation,
  nodeOptions: string[] = [],
): Promise<{ tally: SubmitSide; bare: SubmitSide }> {
  const start = (script: string) => startChild(script, { env, folder: world.folder, nodeOptions });
  const [tally, bare] = await Promise.all([start('apps/api/src/main.ts'), start('bench/children/bare-api.ts')]);
  const requestsWith = (bodyOf: (question: string, prompt: number) => object) =>
    questions.flatMap((question, q) =>
      accounts.map(({ bearer }, a) => ({
        headers: { 'content-type': 'application/json', authorization: `Bearer ${bearer}` },
        body: JSON.stringify(bodyOf(question, q * accounts.length + a)),
      })),
    );
  const requests = requestsWith((question) => ({ question }));
  // The bare worker searches no knowledge; it gets the index of its prompt.
  const bareRequests = requestsWith((question, prompt) => ({ question, prompt }));
  return {
    tally: { api: tally, load: { url: tally.url, path: task.path, requests } },
    bare: { api: bare, load: { url: bare.url, path: '/jobs', requests: bareRequests } },
  };
}

/** Submits without waiting for jobs to end. */
export async function submitAll(
  load: Child,
  side: SubmitSide,
  how: { count: number; connections: number },
): Promise<SubmissionFigures> {
  const cpuMs = await side.api.cpuMs();
  const { seconds, latenciesMs } = await load.call<LoadResult>('send', { ...side.load, ...how, expectedStatus: 202 });
  const apiCpuMs = ((await side.api.cpuMs()) - cpuMs) / how.count;
  const { p50, p95, p99 } = percentilesOf(latenciesMs);
  return { submissionsPerSecond: how.count / seconds, apiCpuMs, p50Ms: p50, p95Ms: p95, p99Ms: p99 };
}
