/** Client for the sandbox's control API: faults, settings, and its records of calls and messages. */

/** A model call as the sandbox recorded it (apps/sandbox/src/book.ts). */
export type BookEntry = {
  seq: number;
  at: string;
  user: string | null;
  /** The id of the call's hold. */
  key: string | null;
  fault: string | null;
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  reasoning_tokens: number;
  total_tokens: number;
  outcome: 'open' | 'answered' | 'error' | 'garbled' | 'aborted' | 'reset';
  duration_ms: number | null;
};

/** A send request to Instagram as the sandbox recorded it (apps/sandbox/src/instagram/sends.ts). */
export type SendEntry = {
  seq: number;
  at: string;
  recipient: { id: string } | { comment_id: string } | null;
  text: string | null;
  message_id: string | null;
  delivered: boolean;
};

export type Sandbox = {
  setModelDelay(delayMs: number): Promise<void>;
  setModelFaults(rules: object[]): Promise<void>;
  setInstagramFaults(rules: object[]): Promise<void>;
  /** Sets the URL that receives webhooks, including echoes. */
  setWebhookUrl(url: string): Promise<void>;
  /** Every model call since the start. */
  book(): Promise<BookEntry[]>;
  /** Every send request since the start. */
  sends(): Promise<SendEntry[]>;
};

const pageEntries = 10_000;
/** Makes every token class nonzero, so that the book check compares each. */
const everyClass = { reasoning_tokens: 12, cached_share: 0.25 };

/** `url` is the sandbox's base URL. */
export function controlSandbox(url: string): Sandbox {
  async function call<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${url}/sandbox/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`the sandbox refused ${path}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  async function all<Name extends string, Entry>(path: string, name: Name): Promise<Entry[]> {
    const entries: Entry[] = [];
    let after: number | undefined = 0;
    while (after !== undefined) {
      type Page = Record<Name, Entry[]> & { next_after?: number | null };
      const page: Page = await call<Page>('GET', `${path}?after=${after}&limit=${pageEntries}`);
      entries.push(...page[name]);
      after = page.next_after ?? undefined;
    }
    return entries;
  }

  return {
    setModelDelay: (delay_ms) => call('PUT', 'settings', { delay_ms, ...everyClass }),
    setModelFaults: (rules) => call('PUT', 'faults', { rules }),
    setInstagramFaults: (rules) => call('PUT', 'instagram/faults', { rules }),
    setWebhookUrl: (webhook_url) => call('PUT', 'instagram/settings', { webhook_url }),
    book: () => all<'entries', BookEntry>('book', 'entries'),
    sends: () => all<'sends', SendEntry>('instagram/sends', 'sends'),
  };
}
