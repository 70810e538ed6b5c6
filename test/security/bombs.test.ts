/** Decompression bombs and memory-hungry pages: each job ends in time and memory stays bounded. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, constants, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { startPlatform } from '@tally/testing/vitest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const spaces = Buffer.alloc(10_000_000, ' ');
/** Ten million spaces as a repeatable deflate block: 100 of them decompress to 1 GB. */
const block = deflateRawSync(spaces, { finishFlush: constants.Z_FULL_FLUSH });
const gigabyte = Buffer.concat([...Array(100).fill(block), Buffer.from([3, 0])]);
const gzipHead = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
const gzipped = Buffer.concat([gzipHead, gigabyte, Buffer.alloc(8)]);
const inflated = Buffer.concat([Buffer.from([0x78, 0x9c]), gigabyte]);
const large = Buffer.alloc(200_000_000, ' ');

type Answer = { body: Buffer | string; encoding?: string; type?: string };
const product = '<!doctype html><title>Kettle</title><h1>Kettle</h1><p>49.90 EUR</p>';
const laughs = `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "${'ha'.repeat(100)}">${[...'bcdefghij']
  .map((name, i) => `<!ENTITY ${name} "${`&${'abcdefghij'[i]};`.repeat(10)}">`)
  .join('')}]><x>&j;</x>`;
const pages: Record<string, Answer> = {
  'by gzip': { body: gzipped, encoding: 'gzip' },
  'by deflate': { body: inflated, encoding: 'deflate' },
  'by Brotli': { body: brotliCompressSync(large, { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } }), encoding: 'br' },
  'by Zstandard': { body: zstdCompressSync(large), encoding: 'zstd' },
  'by gzip in gzip': { body: gzipSync(gzipped), encoding: 'gzip, gzip' },
  'by gzip in gzip in gzip in gzip': {
    body: gzipSync(gzipSync(gzipSync(gzipped))),
    encoding: 'gzip, gzip, gzip, gzip',
  },
  'in a script': { body: `${product}<script src="/by%20gzip?type=text/javascript"></script>` },
  'in a stylesheet': { body: `${product}<link rel="stylesheet" href="/by%20gzip?type=text/css">` },
  'in script allocations': {
    body: `${product}<script>const a = []; for (;;) a.push(new Uint8Array(2e7).fill(1))</script>`,
  },
  'in a frame': { body: `${product}<iframe src="/by%20gzip"></iframe>` },
  'in a fetch': { body: `${product}<script>fetch('/by%20gzip').then((r) => r.text())</script>` },
};

const web = createServer((request, response) => {
  const url = new URL(request.url ?? '', 'http://web');
  const { body, encoding, type } = pages[decodeURIComponent(url.pathname.slice(1))] ?? { body: product };
  response.writeHead(200, {
    'content-type': url.searchParams.get('type') ?? type ?? 'text/html',
    ...(encoding && { 'content-encoding': encoding }),
  });
  response.end(body);
});
web.listen(0, '127.0.0.1');
await once(web, 'listening');
afterAll(() => {
  web.close();
  web.closeAllConnections();
});
const host = `127.0.0.1:${(web.address() as AddressInfo).port}`;
const { newPerson, run } = await startPlatform({ env: { EXTRACTION_ALLOW_HOSTS: host } });
const { token } = await newPerson({ tokens: 50_000 });
const read = (name: string) =>
  run<object>(token, '/api/web-knowledge/extract-products', { url: `http://${host}/${encodeURIComponent(name)}` });

/** Resident memory of this process and all its descendants, in MB, from /proc (Linux only). */
function megabytesOfProcessTree(): number {
  const parents = new Map<number, number>();
  const megabytes = new Map<number, number>();
  for (const pid of readdirSync('/proc').map(Number).filter(Boolean)) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
      parents.set(pid, Number(stat[1]));
      megabytes.set(pid, (Number(stat[21]) * 4_096) / 1e6);
    } catch {
      // The process has ended meanwhile.
    }
  }
  const isDescendant = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === process.pid || isDescendant(parents.get(pid)));
  return [...megabytes].filter(([pid]) => isDescendant(pid)).reduce((sum, [, size]) => sum + size, 0);
}

// Warm-up, so that the browser's own memory is part of the baseline.
beforeAll(async () => {
  await read('nothing');
});

/** Extracts pages concurrently; returns their jobs, the peak memory growth in MB and the duration. */
async function readAtOnce(names: string[]) {
  const isLinux = process.platform === 'linux';
  const before = isLinux ? megabytesOfProcessTree() : 0;
  let maxMegabytes = 0;
  const watching = setInterval(() => {
    if (isLinux) maxMegabytes = Math.max(maxMegabytes, megabytesOfProcessTree() - before);
  }, 50);
  const startedAt = Date.now();
  const jobs = await Promise.all(names.map(read)).finally(() => clearInterval(watching));
  return { jobs, maxMegabytes, ms: Date.now() - startedAt };
}

describe('a page that decompresses to hundreds of MB', () => {
  it.each<[string[], number]>([
    [['by gzip', 'by deflate', 'by Brotli', 'by Zstandard'], 2_500],
    [['by gzip in gzip', 'by gzip in gzip in gzip in gzip', 'in a frame', 'in a fetch'], 2_500],
    [['in a script'], 2_000],
    [['in a stylesheet'], 2_000],
    [['in script allocations'], 2_000],
  ])('%j ends as too_large within %i MB', async (names, megabytes) => {
    const { jobs, maxMegabytes, ms } = await readAtOnce(names);
    for (const [i, job] of jobs.entries())
      expect(job, names[i]).toMatchObject({ status: 'failed', error_code: 'too_large', tokens_consumed: 0 });
    expect(maxMegabytes).toBeLessThan(megabytes);
    // The sum of the limits of all phases, with slack for other load on the machine.
    expect(ms).toBeLessThan(45_000);
  });

  it('with nested XML entities ends in time', async () => {
    pages.laughs = { body: laughs, type: 'application/xml' };
    const startedAt = Date.now();
    expect((await read('laughs')).status).not.toBe('queued');
    expect(Date.now() - startedAt).toBeLessThan(20_000);
  });
});
