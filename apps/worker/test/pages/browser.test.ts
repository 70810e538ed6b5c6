/** The life cycle of the browser: its environment, its replacement after failures, and its clean-up. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline';
import { createLogger } from '@tally/core';
import { until } from '@tally/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { failure, openWeb, productData } from './web.ts';

type Process = { pid: number; parent: number; command: string };

/** Chromium's processes according to `ps`, without zombies. */
function chromiums(): Process[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' }).split('\n');
  return lines
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [])
    .filter(([, , , stat, command]) => !stat?.startsWith('Z') && /chrom/i.test(command?.split(' ')[0] ?? ''))
    .map(([, pid, parent, , command]) => ({ pid: Number(pid), parent: Number(parent), command: command ?? '' }));
}

const browsersOf = (pid: number) =>
  chromiums().filter(({ parent, command }) => parent === pid && command.includes('--remote-debugging-pipe'));

/** The pid of the browser started since `before`; NaN if there is none. */
function newBrowser(before: Process[]): number {
  const known = new Set(before.map(({ pid }) => pid));
  return browsersOf(process.pid).find(({ pid }) => !known.has(pid))?.pid ?? Number.NaN;
}

const small = `<!doctype html>${productData}<h1>Kettle</h1>`;
const slow = (_request: unknown, response: { write(text: string): void; writeHead(...args: unknown[]): void }) => {
  response.writeHead(200, { 'content-type': 'text/html' });
  response.write('<!doctype html><p>begins');
};

describe('browser', () => {
  it('starts with the first page, is reused, and ends on close', async () => {
    const before = browsersOf(process.pid);
    const web = await openWeb({}, onTestFinished);
    web.pages.set('shop.test/', small);
    expect(newBrowser(before)).toBeNaN();
    await web.open('http://shop.test/');
    const browser = newBrowser(before);
    await web.open('http://shop.test/');
    expect(newBrowser(before)).toBe(browser);
    await web.reader.close();
    expect(newBrowser(before)).toBeNaN();
    expect(await failure(web.open('http://shop.test/'))).toMatchObject({ code: 'unavailable' });
  });

  it('fails its pages if it is killed, and is restarted', async () => {
    const before = browsersOf(process.pid);
    const web = await openWeb({}, onTestFinished);
    web.pages.set('shop.test/', small);
    web.pages.set('shop.test/slow', slow);
    await web.open('http://shop.test/');
    const reading = failure(web.open('http://shop.test/slow'));
    await until(() => web.asked.includes('shop.test/slow'));
    process.kill(newBrowser(before), 'SIGKILL');
    expect(await reading).toEqual({ code: 'unavailable', message: 'The browser ended while it read the page' });
    expect((await web.open('http://shop.test/')).html).toContain('Kettle');
  });

  it('is replaced if it freezes', async () => {
    const before = browsersOf(process.pid);
    const web = await openWeb({ timeoutMs: 4_000 }, onTestFinished);
    web.pages.set('shop.test/', small);
    await web.open('http://shop.test/');
    const frozen = newBrowser(before);
    process.kill(frozen, 'SIGSTOP');
    expect(await failure(web.open('http://shop.test/'))).toMatchObject({ code: 'timeout' });
    await until(() => !browsersOf(process.pid).some(({ pid }) => pid === frozen));
    expect((await web.open('http://shop.test/')).html).toContain('Kettle');
  });

  it('does not get the worker’s environment', async () => {
    const before = browsersOf(process.pid);
    const web = await openWeb({}, onTestFinished);
    web.pages.set('shop.test/', small);
    await web.open('http://shop.test/');
    const pid = newBrowser(before);
    const known =
      process.platform === 'linux'
        ? readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
        : execFileSync('ps', ['eww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).split(' ');
    expect(known.some((entry) => entry.startsWith('LANG='))).toBe(true);
    expect(
      known.filter((entry) => /^(VITEST|NODE_|npm_|DATABASE_|REDIS_|OPENAI_|JWT_|ENCRYPTION_)/.test(entry)),
    ).toEqual([]);
  });

  it('runs in its sandbox, and as nobody if the worker is root', async () => {
    const before = browsersOf(process.pid);
    const web = await openWeb({}, onTestFinished);
    web.pages.set('shop.test/', small);
    await web.open('http://shop.test/');
    const pid = newBrowser(before);
    const { command } = chromiums().find((one) => one.pid === pid) ?? {};
    expect(command).not.toContain('--no-sandbox');
    if (userInfo().uid !== 0) return;
    const user = execFileSync('ps', ['-o', 'user=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    expect(user).toBe('nobody');
  });

  it('fails with a permanent error if it is not installed', async () => {
    const web = await openWeb({ chromiumPath: '/nowhere/chromium' }, onTestFinished);
    expect(await failure(web.open('http://shop.test/'))).toEqual({
      code: 'internal',
      message: 'Chromium is not installed on the worker, so no page can be read',
    });
  });

  it('does not outlive a killed worker', async () => {
    const source = `
      import { createLogger } from '@tally/core';
      import { createPageReader } from '${new URL('../../src/pages/page-reader.ts', import.meta.url)}';
      import { createServer } from 'node:http';
      const server = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).write('<p>'));
      server.listen(0, '127.0.0.1', () => {
        const network = { resolve: async () => ['93.184.215.14'], dial: () => ({ host: '127.0.0.1', port: server.address().port }) };
        const log = createLogger('test', 'silent');
        const reader = createPageReader({ policy: { allowedHosts: new Set() }, log, network });
        server.once('request', () => console.log('reading'));
        reader.open('http://shop.test/', { signal: new AbortController().signal }).catch(console.error);
      });`;
    const args = [
      ...process.execArgv.filter((arg) => arg.startsWith('--import')),
      '--input-type=module',
      '--eval',
      source,
    ];
    const worker = spawn(process.execPath, args, {
      cwd: new URL('../..', import.meta.url),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(createInterface(worker.stdout), 'line');
    const processTree = descendants(worker.pid ?? 0);
    expect(processTree.length).toBeGreaterThan(1);
    worker.kill('SIGKILL');
    await until(() => {
      const alive = new Set(chromiums().map(({ pid }) => pid));
      return !processTree.some((pid) => alive.has(pid));
    });
  });
});

function descendants(pid: number): number[] {
  const all = chromiums();
  const below = (parent: number): number[] =>
    all.filter((each) => each.parent === parent).flatMap((child) => [child.pid, ...below(child.pid)]);
  return below(pid);
}

describe('page reader', () => {
  it('throws the reason of an abort at once, and closes the page', async () => {
    const web = await openWeb({}, onTestFinished);
    web.pages.set('shop.test/slow', slow);
    const abort = new AbortController();
    const reason = new Error('the job was taken away');
    const reading = web.open('http://shop.test/slow', abort.signal);
    await until(() => web.asked.includes('shop.test/slow'));
    const startedAt = Date.now();
    abort.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect(Date.now() - startedAt).toBeLessThan(5_000);
    await expect(web.open('http://shop.test/slow', abort.signal)).rejects.toBe(reason);
  });

  it('releases its slot when it is aborted at any moment', async () => {
    const web = await openWeb({}, onTestFinished);
    web.pages.set('shop.test/', small);
    await web.open('http://shop.test/');
    for (let ms = 0; ms < 200; ms += 10) {
      const reading = [0, 1, 2, 3].map((more) => web.open('http://shop.test/', AbortSignal.timeout(ms + more)));
      await Promise.allSettled(reading);
    }
    expect((await web.open('http://shop.test/')).html).toContain('Kettle');
  });

  it('reads four pages at a time, and the others in order', async () => {
    const web = await openWeb({}, onTestFinished);
    let open = 0;
    let maxOpen = 0;
    let waiting: (() => void)[] = [];
    web.pages.set('shop.test/', async (_request, response) => {
      maxOpen = Math.max(maxOpen, ++open);
      // Answers only once four pages are open, so that a lower limit would time out.
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (waiting.length < 4) return;
        for (const answer of waiting) answer();
        waiting = [];
      });
      open--;
      response.writeHead(200, { 'content-type': 'text/html' }).end(small);
    });
    const abort = new AbortController();
    const reading = Array.from({ length: 8 }, () => web.open('http://shop.test/'));
    const gaveUp = web.open('http://shop.test/', abort.signal);
    abort.abort(new Error('no longer needed'));
    await expect(gaveUp).rejects.toThrow('no longer needed');
    expect(await Promise.all(reading)).toHaveLength(8);
    expect(maxOpen).toBe(4);
  });

  it('logs neither addresses nor texts of pages', async () => {
    const lines: string[] = [];
    const web = await openWeb(
      { log: createLogger('test', 'trace', { write: (line: string) => lines.push(line) }) },
      onTestFinished,
    );
    web.pages.set('shop.test/', small);
    await web.open('http://shop.test/?token=hush');
    await failure(web.open('http://shop.test/none?token=hush'));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).not.toMatch(/hush|Kettle/);
  });
});
