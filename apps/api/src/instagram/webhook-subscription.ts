/** Subscribing an account to the app's webhooks: without it Meta sends none of its events, whatever the app is set to. */
import { askGraph, describeAnswer, type GraphAnswer, graphAddress, isFacebookLogin } from './ask-graph.ts';

type Account = { igUserId: string; accessToken: string };

export type WebhookSubscription = {
  /** None where Meta refused. */
  fields: string[];
  refusal: string | null;
};

// Meta: an account gets every field that the app is subscribed to once it is subscribed to any. A Page knows fields of its
// own, of which `messages` lets Instagram's through.
const instagramFields = ['comments', 'live_comments', 'messages'];
const pageFields = ['messages'];
const unsubscribeTimeoutMs = 5_000;

/** `POST /{account}/subscribed_apps`; with Facebook Login it is the Page's, which is the token's own `me`. Never throws. */
export async function subscribeToWebhooks(graphUrl: string, account: Account): Promise<WebhookSubscription> {
  const fields = isFacebookLogin(graphUrl) ? pageFields : instagramFields;
  const url = `${edgeOf(graphUrl, account)}?subscribed_fields=${fields.join(',')}`;
  const answer = await askGraph(url, { method: 'POST', accessToken: account.accessToken });
  if (isSuccess(answer)) return { fields, refusal: null };
  return { fields: [], refusal: `Instagram did not subscribe the account to webhooks: ${describeAnswer(answer)}` };
}

/** The opposite. @throws Error where Meta did not do it, with the reason */
export async function unsubscribeFromWebhooks(graphUrl: string, account: Account): Promise<void> {
  const { accessToken } = account;
  const options = { method: 'DELETE', accessToken, timeoutMs: unsubscribeTimeoutMs } as const;
  const answer = await askGraph(edgeOf(graphUrl, account), options);
  if (!isSuccess(answer)) throw new Error(`Instagram did not unsubscribe the account: ${describeAnswer(answer)}`);
}

const edgeOf = (graphUrl: string, { igUserId }: Account): string =>
  graphAddress(graphUrl, `${isFacebookLogin(graphUrl) ? 'me' : igUserId}/subscribed_apps`);

// `{"success": true}`, which some of Meta's pages show as a text.
const isSuccess = (answer: GraphAnswer): boolean =>
  answer.kind === 'json' && answer.status === 200 && String(answer.body.success) === 'true';
