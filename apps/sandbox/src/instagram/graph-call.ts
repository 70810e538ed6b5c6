/** What a call of the Graph API brings, needs and leads to. */
import type { GraphCall, GraphFault, GraphFaults } from './faults.ts';
import type { GraphError } from './graph-errors.ts';
import type { SendEntry, Sends } from './sends.ts';
import type { InstagramSettings } from './settings.ts';
import type { DirectMessage, Threads } from './threads.ts';

export type GraphServices = {
  sends: Sends;
  faults: GraphFaults;
  threads: Threads;
  /** Accounts whose events go to the app, and the fields that they were subscribed to. */
  subscriptions: Map<string, string[]>;
  settings: { current: InstagramSettings };
  /** Told of every message that reached its recipient. */
  onDelivered: (igUserId: string, message: DirectMessage) => void;
};

export type GraphRequest = {
  call: GraphCall;
  method: string;
  igUserId: string;
  query: Record<string, string>;
  /** From the header, else from `access_token`. */
  token: string | undefined;
  /** Parsed JSON; undefined where it is none. */
  body: unknown;
};

export type GraphAnswer = { body: object } | { error: GraphError; detail?: string | undefined };

/** What is answered, how it is spoilt, and the record to end with it. */
export type GraphPlan = { answer: GraphAnswer; fault?: GraphFault | undefined; entry?: SendEntry | undefined };
