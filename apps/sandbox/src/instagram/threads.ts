/** What Instagram knows: its ids, who wrote which comment, which were answered, and the messages of conversations. */
import { createHash } from 'node:crypto';
import { createEntries } from '../record.ts';

export type DirectMessage = { id: string; text: string; fromId: string; toId: string; at: number };

export type Threads = ReturnType<typeof createThreads>;

export function createThreads() {
  const usernames = new Map<string, string>();
  const commenters = new Map<string, string>();
  const answered = new Set<string>();
  const messages = createEntries<DirectMessage & { seq: number }>(20_000);
  // The clock makes ids differ between runs, which a platform that remembers ids for days must see.
  let latestId = Date.now();

  return {
    newCommentId: () => `1787${++latestId}`,
    newMessageId: (igUserId: string, personId: string) =>
      opaqueId(`ig_dm:1:IGMessage:${igUserId}:${personId}:${++latestId}`),
    meet({ id, username }: { id: string; username?: string | undefined }): void {
      if (username !== undefined) usernames.set(id, username);
    },
    usernameOf: (id: string) => usernames.get(id) ?? `ig_${id.slice(-6)}`,
    /** Keeps who wrote a comment, for the private reply to it. */
    addComment: (commentId: string, personId: string) => commenters.set(commentId, personId),
    /** Who wrote a comment; a derived id where the sandbox never saw it. */
    commenterOf: (commentId: string) => commenters.get(commentId) ?? derivedId(commentId),
    isAnswered: (commentId: string) => answered.has(commentId),
    markAnswered: (commentId: string) => answered.add(commentId),
    addMessage: messages.add,
    /** An account's messages by the people it has conversations with; newest first, as Meta lists them. */
    conversationsOf(igUserId: string): Map<string, DirectMessage[]> {
      const own = messages.list({ limit: Infinity }, ({ fromId, toId }) => fromId === igUserId || toId === igUserId);
      return Map.groupBy(own.reverse(), ({ fromId, toId }) => (fromId === igUserId ? toId : fromId));
    },
    clear(): void {
      for (const known of [usernames, commenters, answered, messages]) known.clear();
    },
  };
}

/** 16 digits that are always the same for `seed`: ids are strings, since they exceed what a number can hold. */
export function derivedId(seed: string): string {
  const digits = createHash('sha256').update(seed).digest().readBigUInt64BE() % 10n ** 15n;
  return `1${String(digits).padStart(15, '0')}`;
}

export const idInToken = (token = ''): string | undefined => /\d{15,20}/.exec(token)?.[0];

/** Meta's ids of messages and threads are base64 of such a path, with ZD in the place of padding. */
export const opaqueId = (path: string): string => `aWdf${Buffer.from(path).toString('base64url')}ZD`;
