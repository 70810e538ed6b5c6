/** Subscribes an account to the app's webhooks; without this, Meta sends none of the account's events. */
import { askGraph, describeAnswer, type GraphAnswer, graphUrlOf, isFacebookLogin } from './ask-graph.ts';

type Account = { igUserId: string; accessToken: string };

export type WebhookSubscription = {
  /** Empty where Meta refused. */
  fields: string[];
  refusal: string | null;
};

// Meta: once subscribed to any field, an account gets every field that the app is subscribed to. Pages have fields of
// their own; of those, `messages` passes Instagram's events on.
const instagramFields = ['comments', 'live_comments', 'messages'];
const pageFields = ['messages'];
const unsubscribeTimeoutMs = 5_000;

/** `POST /{account}/subscribed_apps`; with Facebook Login for the Page, the token's `me`. Never throws. */
export async function subscribeToWebhooks(graphUrl: string, account: Account): Promise<WebhookSubscription> {
  const fields = isFacebookLogin(graphUrl) ? pageFields : instagramFields;
  const url = `${edgeOf(graphUrl, account)}?subscribed_fields=${fields.join(',')}`;
  const answer = await askGraph(url, { method: 'POST', accessToken: account.accessToken });
  if (isSuccess(answer)) return { fields, refusal: null };
  return { fields: [], refusal: `Instagram did not subscribe the account to webhooks: ${describeAnswer(answer)}` };
}

/** Ends the subscription. @throws Error with the reason where Meta did not */
export async function unsubscribeFromWebhooks(graphUrl: string, account: Account): Promise<void> {
  const { accessToken } = account;
  const options = { method: 'DELETE', accessToken, timeoutMs: unsubscribeTimeoutMs } as const;
  const answer = await askGraph(edgeOf(graphUrl, account), options);
  if (!isSuccess(answer)) throw new Error(`Instagram did not unsubscribe the account: ${describeAnswer(answer)}`);
}

const edgeOf = (graphUrl: string, { igUserId }: Account): string =>
  graphUrlOf(graphUrl, `${isFacebookLogin(graphUrl) ? 'me' : igUserId}/subscribed_apps`);

// `{"success": true}`; some of Meta's documentation shows the value as a string.
const isSuccess = (answer: GraphAnswer): boolean =>
  answer.kind === 'json' && answer.status === 200 && String(answer.body.success) === 'true';
