/** What Instagram knows: who wrote which comment, which were answered, and the messages of each conversation. */
import { derivedId, derivedUsername } from './ids.ts';

export type Person = { id: string; username?: string | undefined };

export type DirectMessage = {
  id: string;
  text: string;
  fromId: string;
  toId: string;
  /** Unix milliseconds. */
  at: number;
};

export type Threads = {
  meet: (person: Person) => void;
  usernameOf: (id: string) => string;
  /** Keeps who wrote a comment, for the private reply to it. */
  addComment: (commentId: string, person: Person) => void;
  /** Who wrote a comment; a derived id where the sandbox never saw it. */
  commenterOf: (commentId: string) => string;
  isAnswered: (commentId: string) => boolean;
  markAnswered: (commentId: string) => void;
  addMessage: (igUserId: string, personId: string, message: DirectMessage) => void;
  /** The people an account has conversations with. */
  peopleOf: (igUserId: string) => string[];
  /** Newest first, as Meta lists them. */
  messagesOf: (igUserId: string, personId: string) => DirectMessage[];
  clear: () => void;
};

/** More than any test makes; beyond it the oldest are forgotten. */
const maxKept = 50_000;
const maxMessagesPerThread = 200;

export function createThreads(): Threads {
  const usernames = new Map<string, string>();
  const commenters = new Map<string, string>();
  const answered = new Map<string, true>();
  const threads = new Map<string, Map<string, DirectMessage[]>>();

  return {
    meet({ id, username }) {
      if (username !== undefined) keep(usernames, id, username);
    },
    usernameOf: (id) => usernames.get(id) ?? derivedUsername(id),
    addComment: (commentId, person) => keep(commenters, commentId, person.id),
    commenterOf: (commentId) => commenters.get(commentId) ?? derivedId(commentId),
    isAnswered: (commentId) => answered.has(commentId),
    markAnswered: (commentId) => keep(answered, commentId, true),
    addMessage(igUserId, personId, message) {
      const people = threads.get(igUserId) ?? keep(threads, igUserId, new Map<string, DirectMessage[]>());
      const messages = people.get(personId) ?? keep(people, personId, []);
      messages.unshift(message);
      messages.length = Math.min(messages.length, maxMessagesPerThread);
    },
    peopleOf: (igUserId) => [...(threads.get(igUserId)?.keys() ?? [])],
    messagesOf: (igUserId, personId) => threads.get(igUserId)?.get(personId) ?? [],
    clear() {
      for (const map of [usernames, commenters, answered, threads]) map.clear();
    },
  };
}

function keep<Value>(map: Map<string, Value>, key: string, value: Value): Value {
  if (map.size >= maxKept) map.delete(map.keys().next().value ?? '');
  map.set(key, value);
  return value;
}
