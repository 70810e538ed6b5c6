/** The environment of a run: installation, processes, proxy, sandbox, tenants and journal. */
import { type Installation, startInstallation, startProxy, type TcpProxy } from '@tally/testing';
import { openTenants, type Tenants } from './clients/tenants.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { createJournal, type Journal, type Violation } from './journal.ts';
import { controlSandbox, type Sandbox } from './sandbox.ts';

export type World = {
  system: Installation;
  fleet: Fleet;
  /** Between all processes and Postgres; the checks bypass it. */
  postgresProxy: TcpProxy;
  sandbox: Sandbox;
  tenants: Tenants;
  journal: Journal;
  say: (line: string) => void;
};

/** Delay of the model's answers, between faults. */
export const modelDelayMs = 200;

/** Starts an installation behind a Postgres proxy. Each step registers its cleanup with `atEnd` at once. */
export async function buildWorld(options: {
  minutes: number;
  /** Folder of another version, from which one worker is started. */
  beside?: string | undefined;
  say: (line: string) => void;
  atEnd: (end: () => Promise<void>) => void;
}): Promise<World> {
  const { say, atEnd } = options;
  const proxy = Promise.withResolvers<TcpProxy>();
  const system = await startInstallation(async ({ postgres }) => {
    const postgresProxy = await startProxy(postgres.port);
    atEnd(() => postgresProxy.close());
    proxy.resolve(postgresProxy);
    const address = new URL(postgres.url);
    address.port = String(postgresProxy.port);
    return { DATABASE_URL: address.toString() };
  });
  atEnd(() => system.stop());
  const journal = createJournal(({ check, what }: Violation) => say(`VIOLATION (${check}): ${what}`));
  const fleet = await startFleet(system, journal, options.beside);
  atEnd(async () => fleet.expectExits());
  const [firstApi] = fleet.apis;
  if (firstApi === undefined) throw new Error('no API was started');
  const sandbox = controlSandbox(system.sandbox.url);
  await sandbox.setModelDelay(modelDelayMs);
  const tenants = await openTenants(system, firstApi.url, options.minutes);
  return { system, fleet, postgresProxy: await proxy.promise, sandbox, tenants, journal, say };
}
