/** The one Chromium of a worker process: started when the first page needs it, and again when it died. */
import { type Logger, TallyError } from '@tally/core';
import { type Browser, type BrowserContext, type CDPSession, chromium } from 'playwright';
import { type MemoryWatch, watchMemory } from './memory-watch.ts';
import { chromiumCommand } from './run-as.ts';

export type BrowserHost = {
  /** A context of its own for one page, whose every request goes through `proxyUrl`. @throws TallyError */
  newContext(proxyUrl: string): Promise<BrowserContext>;
  /** Closes a context; one that doesn't obey takes the browser with it. */
  discard(context: BrowserContext): Promise<void>;
  /** Whether a page that has just crashed took too much memory. */
  ranOutOfMemory(context: BrowserContext): boolean;
  close(): Promise<void>;
};

const launchLimitMs = 20_000;
/** What takes a healthy browser some hundredths of a second. */
const answerLimitMs = 5_000;

const flags = [
  // What belongs to no page of ours has no way out: no proxy answers there, and no name resolves but the guard's address.
  '--proxy-server=http://127.0.0.1:1',
  '--proxy-bypass-list=<-loopback>',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
  // UDP passes no HTTP proxy.
  '--disable-quic',
  '--webrtc-ip-handling-policy=disable_non_proxied_udp',
  '--no-pings',
  '--disable-domain-reliability',
  '--disable-client-side-phishing-detection',
  '--dns-prefetch-disable',
  // Contexts never share a renderer, and within one there is nothing to steal. In one process a page costs a fifth of the
  // memory, and the limits see its frames too.
  '--disable-site-isolation-trials',
  '--disable-gpu',
  '--disable-3d-apis',
  '--disable-notifications',
  '--disable-speech-api',
  '--disable-remote-fonts',
  '--mute-audio',
  // A page of any shop fits; one that wants more is after something else.
  '--js-flags=--max-old-space-size=512',
];
/** Playwright trusts the pages that it tests; these take guards off that strange pages need. */
const playwrightFlagsToDrop = [
  '--disable-popup-blocking',
  '--disable-ipc-flooding-protection',
  '--enable-unsafe-swiftshader',
  '--unsafely-disable-devtools-self-xss-warnings',
];

/** @param options.chromiumPath the only place to look, where it's given */
export function createBrowserHost(options: { chromiumPath?: string | undefined; log: Logger }): BrowserHost {
  let running: Promise<Browser> | undefined;
  const pids = new WeakMap<Browser, number | undefined>();
  const memory = new WeakMap<Browser, MemoryWatch>();
  /** How to say that a context is closed. */
  const ends = new WeakMap<BrowserContext, () => void>();
  /** The browser that `running` has become. */
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

  /** A browser that no longer answers hears no request to end either; once killed, it ends what waits for it. */
  function kill(host: Browser): void {
    const pid = pids.get(host);
    if (pid === undefined || !host.isConnected()) return;
    options.log.warn('the browser does not answer: it is killed');
    // The next page waits for no news of its end.
    if (latest === host) running = undefined;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone by itself meanwhile.
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
        // Tall, so that most pages need little scrolling; and what fades in is there at once.
        viewport: { width: 1_280, height: 1_400 },
        reducedMotion: 'reduce',
      });
      if (!(await answers(opening))) kill(host);
      const context = await opening;
      context.setDefaultTimeout(0);
      const end = memory.get(host)?.begin();
      if (end) ends.set(context, end);
      return context;
    },
    async discard(context) {
      const host = context.browser();
      ends.get(context)?.();
      if (!(await answers(context.close())) && host) kill(host);
    },
    ranOutOfMemory(context) {
      const host = context.browser();
      return host !== null && memory.get(host)?.hasEndedOne() === true;
    },
    async close() {
      closed = true;
      const host = await running?.catch(() => undefined);
      if (host && !(await answers(host.close()))) kill(host);
    },
  };
}

async function launch(chromiumPath: string | undefined, log: Logger): Promise<Browser> {
  const command = await chromiumCommand(chromiumPath, log);
  if (command === undefined)
    throw new TallyError('internal', 'Chromium is not installed on the worker, so no page can be read');
  const { executablePath, env, hasSandbox } = command;
  return chromium.launch({
    executablePath,
    args: flags,
    ignoreDefaultArgs: playwrightFlagsToDrop,
    chromiumSandbox: hasSandbox,
    env,
    // The worker decides when it ends, after its jobs.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    timeout: launchLimitMs,
  });
}

/** The browser's own process, which Playwright keeps to itself. */
async function browserPid(session: CDPSession): Promise<number | undefined> {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  return processInfo.find(({ type }) => type === 'browser')?.id;
}

/** Whether `work` ends in time, well or not. */
async function answers(work: Promise<unknown>): Promise<boolean> {
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
