/** Runs one Chromium: started when the first page needs it, and restarted after it ended. */
import { type Logger, TallyError } from '@tally/core';
import type { Browser, BrowserContext, CDPSession } from 'playwright';
import { playwright } from './find-chromium.ts';
import { type MemoryWatch, watchMemory } from './memory-watch.ts';
import { chromiumCommand } from './run-as.ts';

export type BrowserHost = {
  /** A new context for one page, which sends all its requests through `proxyUrl`. @throws TallyError */
  newContext(proxyUrl: string): Promise<BrowserContext>;
  /** Closes a context; if it does not close in time, the browser is killed. */
  discard(context: BrowserContext): Promise<void>;
  /** Whether a page that has just crashed was ended for using too much memory. */
  ranOutOfMemory(context: BrowserContext): boolean;
  close(): Promise<void>;
};

const launchLimitMs = 20_000;
/** A healthy browser opens or closes a context in some hundredths of a second. */
const answerLimitMs = 5_000;

const flags = [
  // Traffic outside a page's context can't leave: this proxy port is closed, and only the guard's address resolves.
  '--proxy-server=http://127.0.0.1:1',
  '--proxy-bypass-list=<-loopback>',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
  // UDP would bypass the HTTP proxy.
  '--disable-quic',
  '--webrtc-ip-handling-policy=disable_non_proxied_udp',
  '--no-pings',
  '--disable-domain-reliability',
  '--disable-client-side-phishing-detection',
  '--dns-prefetch-disable',
  // Contexts never share a renderer, and a context holds no secrets. Without site isolation a page takes a fifth of the
  // memory, and the memory limit includes its frames.
  '--disable-site-isolation-trials',
  '--disable-gpu',
  '--disable-3d-apis',
  '--disable-notifications',
  '--disable-speech-api',
  '--disable-remote-fonts',
  '--mute-audio',
  // Enough for any shop's page.
  '--js-flags=--max-old-space-size=512',
];
/** Playwright's defaults trust the pages under test: these flags would disable protections against untrusted pages. */
const playwrightFlagsToDrop = [
  '--disable-popup-blocking',
  '--disable-ipc-flooding-protection',
  '--enable-unsafe-swiftshader',
  '--unsafely-disable-devtools-self-xss-warnings',
];

/** @param options.chromiumPath the only Chromium to use, if given */
export function createBrowserHost(options: { chromiumPath?: string | undefined; log: Logger }): BrowserHost {
  let running: Promise<Browser> | undefined;
  const pids = new WeakMap<Browser, number | undefined>();
  const memory = new WeakMap<Browser, MemoryWatch>();
  /** Ends the memory watch of a context. */
  const endWatch = new WeakMap<BrowserContext, () => void>();
  /** The browser that `running` resolved to. */
  let latest: Browser | undefined;
  let closed = false;

  function browser(): Promise<Browser> {
    if (closed) throw new TallyError('unavailable', 'The worker is shutting down');
    running ??= start();
    return running;
  }

  async function start(): Promise<Browser> {
    try {
      const started = await launch(options.chromiumPath, options.log);
      const session = await started.newBrowserCDPSession();
      pids.set(started, await browserPid(session));
      memory.set(started, watchMemory(session));
      started.once('disconnected', () => {
        if (latest === started) running = undefined;
        if (!closed) options.log.warn('the browser ended; the next page starts another');
      });
      latest = started;
      options.log.info({ version: started.version() }, 'browser started');
      return started;
    } catch (err) {
      running = undefined;
      options.log.error({ err }, 'the browser does not start');
      throw err instanceof TallyError ? err : new TallyError('unavailable', 'The browser did not start');
    }
  }

  /** A browser that does not respond can't be closed; killing it rejects the calls that wait for it. */
  function kill(host: Browser): void {
    const pid = pids.get(host);
    if (pid === undefined || !host.isConnected()) return;
    options.log.warn('the browser does not answer: it is killed');
    // The next page starts a new browser without waiting for the `disconnected` event.
    if (latest === host) running = undefined;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // The process has already ended.
    }
  }

  return {
    async newContext(proxyUrl) {
      const host = await browser();
      const opening = host.newContext({
        proxy: { server: proxyUrl, bypass: '<-loopback>' },
        acceptDownloads: false,
        serviceWorkers: 'block',
        permissions: [],
        // Tall, so that most pages need little scrolling; reduced motion shows content without fading in.
        viewport: { width: 1_280, height: 1_400 },
        reducedMotion: 'reduce',
      });
      if (!(await settlesInTime(opening))) kill(host);
      const context = await opening;
      context.setDefaultTimeout(0);
      const end = memory.get(host)?.begin();
      if (end) endWatch.set(context, end);
      return context;
    },
    async discard(context) {
      const host = context.browser();
      endWatch.get(context)?.();
      if (!(await settlesInTime(context.close())) && host) kill(host);
    },
    ranOutOfMemory(context) {
      const host = context.browser();
      return host !== null && memory.get(host)?.hasEndedOne() === true;
    },
    async close() {
      closed = true;
      const host = await running?.catch(() => undefined);
      if (host && !(await settlesInTime(host.close()))) kill(host);
    },
  };
}

async function launch(chromiumPath: string | undefined, log: Logger): Promise<Browser> {
  const command = await chromiumCommand(chromiumPath, log);
  if (command === undefined)
    throw new TallyError('internal', 'Chromium is not installed on the worker, so no page can be read');
  const { executablePath, env, hasSandbox } = command;
  const chromium = await playwright();
  return chromium.launch({
    executablePath,
    args: flags,
    ignoreDefaultArgs: playwrightFlagsToDrop,
    chromiumSandbox: hasSandbox,
    env,
    // The worker closes the browser itself, after its jobs.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    timeout: launchLimitMs,
  });
}

/** The id of the browser's main process, which Playwright does not expose. */
async function browserPid(session: CDPSession): Promise<number | undefined> {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  return processInfo.find(({ type }) => type === 'browser')?.id;
}

/** Whether `work` settles in time, whether it succeeds or fails. */
async function settlesInTime(work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, answerLimitMs, false);
  });
  const ended = work.then(
    () => true,
    () => true,
  );
  const inTime = await Promise.race([ended, late]);
  clearTimeout(timer);
  return inTime;
}
