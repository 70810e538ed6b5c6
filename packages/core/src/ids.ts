/** Identifiers: UUIDs that sort by the time they were made, so that index pages fill from one end. */
import { v7, validate } from 'uuid';

/** A new UUID, version 7 (RFC 9562). */
export const newId: () => string = () => v7();

/** Whether `text` is a UUID of any version, as Postgres would accept it. */
export const isId: (text: string) => boolean = validate;
