/** Whether an access token is for the account that it is said to be for: asked of Instagram, before anybody's messages are read. */
import { TallyError } from '@tally/core';
import { askGraph, describeAnswer, graphAddress, isFacebookLogin, isPassing } from './ask-graph.ts';
import { asId } from './loose-json.ts';

/**
 * Resolves where Instagram shows the account to the token's holder, which it does to its owner only. Whatever is not this
 * answer refuses the token.
 * @throws TallyError `invalid_input` where it refuses or answers something else, `unavailable` where it may answer later
 */
export async function checkInstagramToken(
  graphUrl: string,
  account: { igUserId: string; accessToken: string; timeoutMs?: number },
): Promise<void> {
  // With Facebook Login an account has no `user_id`, and asking for it is an error.
  const fields = isFacebookLogin(graphUrl) ? 'id,username' : 'user_id,username';
  const answer = await askGraph(graphAddress(graphUrl, `${account.igUserId}?fields=${fields}`), {
    method: 'GET',
    ...account,
  });
  if (isPassing(answer))
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
