/** Verifies with Instagram that an access token belongs to the account, before any of its messages are read. */
import { TallyError } from '@tally/core';
import { askGraph, describeAnswer, graphUrlOf, isFacebookLogin, isTransient } from './ask-graph.ts';
import { asId } from './loose-json.ts';

/**
 * Resolves where Instagram shows the account for this token, which it does only for the owner's; any other response
 * refuses the token.
 * @throws TallyError `invalid_input` for a refusal or another response, `unavailable` where a retry may succeed
 */
export async function checkInstagramToken(
  graphUrl: string,
  account: { igUserId: string; accessToken: string; timeoutMs?: number },
): Promise<void> {
  // With Facebook Login an account has no `user_id`, and asking for it is an error.
  const fields = isFacebookLogin(graphUrl) ? 'id,username' : 'user_id,username';
  const answer = await askGraph(graphUrlOf(graphUrl, `${account.igUserId}?fields=${fields}`), {
    method: 'GET',
    ...account,
  });
  if (isTransient(answer))
    throw new TallyError('unavailable', 'Instagram can’t be asked about the token now, try again', {
      retryAfterMs: 5_000,
      cause: answer.kind === 'none' ? answer.cause : new Error(describeAnswer(answer)),
    });
  if (answer.kind !== 'json' || answer.status !== 200) throw refused(describeAnswer(answer));
  const { id, user_id, username } = answer.body;
  if (![asId(user_id), asId(id)].includes(account.igUserId)) throw refused('it showed another account');
  if (typeof username !== 'string' || username === '') throw refused('it showed no username');
}

const refused = (why: string) =>
  new TallyError('invalid_input', `Instagram did not confirm this access token for this account: ${why}`, {
    details: [{ path: 'access_token', message: 'is not valid for ig_user_id' }],
  });
