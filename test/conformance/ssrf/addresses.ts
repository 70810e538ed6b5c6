/** Checks that refused addresses of a folder cause no connection, and that allowed ones are connected to. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isPublicAddress } from '@tally/extraction';
import { z } from 'zod';
import { type Platform, startPlatform, type Tenant } from '../platform.ts';
import { expectSame, expectThat, type Report } from '../report.ts';
import { startWorld, type World } from './world.ts';

const Case = z.looseObject({
  id: z.union([z.string(), z.number()]),
  url: z.string(),
  category: z.string().default('allowed'),
  reason: z.string().default(''),
  resolver: z.array(z.string()).optional(),
  resolver_sequence: z.array(z.array(z.string())).optional(),
});
type Case = z.infer<typeof Case>;
const Addresses = z.looseObject({ must_refuse: z.array(Case), must_allow: z.array(Case) });

const path = '/api/web-knowledge/extract-products';
// Pages that refer to the address from their content: the page itself may be read.
const byPage = /[/](?:ws|iframe|img|fetch|js|meta|css|form)[?]/;
const allowedLimitMs = 20_000;

export async function checkAddresses(file: string, report: Report): Promise<void> {
  const { must_refuse: refused, must_allow: allowed } = Addresses.parse(JSON.parse(readFileSync(file, 'utf8')));
  const world = await startWorld();
  const platform = await startPlatform({});
  try {
    await platform.startWorker({ network: world.network });
    const tenant = await platform.newTenant('addresses@example.com');
    report.section('Addresses that must be refused');
    for (const one of refused)
      await report.check(`${one.id} ${short(one.url)} (${one.reason})`, () => refuse(platform, tenant, world, one));
    report.section('Addresses that must be allowed');
    for (const one of allowed)
      await report.check(`${one.id} ${short(one.url)} (${one.reason})`, () => allow(platform, tenant, world, one));
    report.section('Listeners on local ports');
    await report.check('saw no connection from the browser', async () => expectSame('seen', world.seen(), []));
  } finally {
    await platform.close();
    await world.close();
  }
}

const short = (url: string): string => (url.length > 80 ? `${url.slice(0, 77)}…` : url);

async function refuse(platform: Platform, tenant: Tenant, world: World, one: Case): Promise<void> {
  world.prepare(one);
  const job = await platform.run(tenant, path, { url: one.url });
  // However the job ended, only public addresses may be dialled.
  const dials = world.dials().filter((dial) => !isPublicAddress(dial.address));
  expectSame('dialled', dials, []);
  if (one.resolver_sequence !== undefined) {
    const first = one.resolver_sequence[0] ?? [];
    return expectThat(
      'an address of a later DNS answer was dialled',
      world.dials().every(({ address }) => first.includes(address)),
    );
  }
  const isRefused = ['address_refused', 'invalid_input'].includes(job.error_code ?? '');
  expectThat(
    `the job ended as ${job.status} ${job.error_code}`,
    isRefused || (one.category === 'redirect' && byPage.test(one.url)),
  );
}

async function allow(platform: Platform, tenant: Tenant, world: World, one: Case): Promise<void> {
  world.prepare(one);
  const { status, text } = await platform.call('POST', path, { token: tenant.token, body: { url: one.url } });
  expectThat(`status ${status}: ${text}`, status === 202);
  const host = new URL(one.url).hostname.replace(/^\[|\]$/g, '');
  const expected = one.resolver ?? [host];
  for (const end = Date.now() + allowedLimitMs; Date.now() < end; await sleep(25))
    if (world.dials().some(({ address }) => expected.includes(address))) return;
  throw new Error(`${expected.join(', ')} was not dialled; dialled: ${JSON.stringify(world.dials())}`);
}
