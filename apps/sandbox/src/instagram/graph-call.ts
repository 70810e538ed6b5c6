/** What a call of the Graph API brings, needs and leads to. */
import type { Logger } from '@tally/core';
import type { GraphCall, GraphFault, GraphFaults } from './faults.ts';
import type { GraphError } from './graph-errors.ts';
import type { createIds } from './ids.ts';
import type { SendEntry, Sends } from './sends.ts';
import type { InstagramSettings } from './settings.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { DirectMessage, Threads } from './threads.ts';

export type GraphServices = {
  sends: Sends;
  faults: GraphFaults;
  threads: Threads;
  subscriptions: Subscriptions;
  ids: ReturnType<typeof createIds>;
  /** Read anew for every request: it can be changed while the sandbox runs. */
  settings: () => InstagramSettings;
  /** Told of every message that reached its recipient. */
  onDelivered: (igUserId: string, message: DirectMessage) => void;
  logger: Logger | undefined;
};

/** A request as far as every call needs it. */
export type GraphRequest = {
  call: GraphCall;
  method: string;
  /** The id in the path; null where it has none. */
  objectId: string | null;
  query: URLSearchParams;
  /** From the header, else from `access_token`. */
  token: string | undefined;
  body: Buffer;
};

/** An answer as plain data: what is in it, or what is wrong. */
export type GraphAnswer = { body: object } | { error: GraphError; detail?: string | undefined };

/** What is answered, how it is spoilt, and the record to end with it. */
export type GraphPlan = { answer: GraphAnswer; fault?: GraphFault | undefined; entry?: SendEntry | undefined };
