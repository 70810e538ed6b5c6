/** Makes identifiers: UUIDs that sort by creation time, so that index pages fill in order. */
import { v5, v7, validate } from 'uuid';

/** A new UUID, version 7 (RFC 9562). */
export const newId: () => string = () => v7();

/** Whether `text` is a UUID of any version, as Postgres would accept it. */
export const isId: (text: string) => boolean = validate;

const namespace = '6f1d1c1e-5a0b-4c55-9f0e-7a11e0000001';

/** A UUID derived from the text (version 5): equal texts give equal ids. */
export const idFrom = (text: string): string => v5(text, namespace);

/** A UUID derived from `id` (version 7) and the text; its timestamp is 1 ms later, so it sorts after `id`. */
export function idAfter(id: string, text: string): string {
  const hash = idFrom(`${id} ${text}`);
  const time = (Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) + 1).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hash.slice(15)}`;
}

/** Sorts after every id. */
export const maxId = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Sorts before every id: the start of paging by id. */
export const minId = '00000000-0000-0000-0000-000000000000';
