/** Identifiers: UUIDs that sort by the time they were made, so that index pages fill from one end. */
import { v5, v7, validate } from 'uuid';

/** A new UUID, version 7 (RFC 9562). */
export const newId: () => string = () => v7();

/** Whether `text` is a UUID of any version, as Postgres would accept it. */
export const isId: (text: string) => boolean = validate;

const namespace = '6f1d1c1e-5a0b-4c55-9f0e-7a11e0000001';

/** The same UUID for the same text, version 5. */
export const idFrom = (text: string): string => v5(text, namespace);

/** The same UUID for the same text, which sorts right after `id`, an id of version 7: it is a millisecond younger. */
export function idAfter(id: string, text: string): string {
  const hash = idFrom(`${id} ${text}`);
  const time = (Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) + 1).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hash.slice(15)}`;
}

/** Above every id. */
export const maxId = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Below every id: where paging by id begins. */
export const minId = '00000000-0000-0000-0000-000000000000';
