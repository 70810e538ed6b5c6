import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { DrizzleQueryError } from '../src/drizzle.ts';
import { isSerializationConflict, isUnavailable, isUniqueViolation } from '../src/index.ts';

const refusal = (code: string, severity = 'ERROR') =>
  Object.assign(new pg.DatabaseError('refused', 0, 'error'), { code, severity });
const kindOf = (error: unknown) => ({
  isUnavailable: isUnavailable(error),
  isSerializationConflict: isSerializationConflict(error),
});

describe('an outage', () => {
  it.each([
    ['0A000', 'cached plan must not change result type, after a migration'],
    ['08006', 'connection failure'],
    ['25006', 'read only after a failover'],
    ['25P03', 'idle in a transaction for too long'],
    ['25P04', 'transaction_timeout'],
    ['26000', 'a prepared statement that is gone'],
    ['28000', 'the role may not log in'],
    ['28P01', 'wrong password'],
    ['3D000', 'the database is gone'],
    ['40003', 'statement completion unknown'],
    ['42501', 'a permission that was taken away'],
    ['53100', 'disk full'],
    ['53200', 'out of memory'],
    ['53300', 'too many connections'],
    ['55000', 'the database takes no connections'],
    ['57P01', 'shut down by its administrator'],
    ['57P03', 'starting up'],
    ['57P05', 'idle_session_timeout'],
    ['58030', 'input or output error'],
    ['XX000', 'internal error'],
    ['XX001', 'data corrupted'],
    ['ZZ999', 'a code that no version has today'],
  ])('%s, %s', (code) =>
    expect(kindOf(refusal(code))).toEqual({ isUnavailable: true, isSerializationConflict: false }),
  );

  it.each(['FATAL', 'PANIC'])('severity %s, which ends the connection', (severity) =>
    expect(isUnavailable(refusal('22023', severity))).toBe(true),
  );

  it.each([
    'Connection terminated unexpectedly',
    'timeout exceeded when trying to connect',
    'Client has encountered a connection error and is not queryable',
    'Client was closed and is not queryable',
    'The server does not support SSL connections',
  ])('client error: %s', (message) => expect(isUnavailable(new Error(message))).toBe(true));

  it('a connection refused on IPv4 and IPv6', () =>
    expect(isUnavailable(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }))).toBe(true));
});

describe('a fault of the statement', () => {
  it.each([
    ['21000', 'cardinality'],
    ['22P05', 'a character that can’t be stored'],
    ['22003', 'a number out of range'],
    ['23505', 'a unique violation'],
    ['23503', 'a foreign key violation'],
    ['23001', 'the ledger’s guards'],
    ['23514', 'a check'],
    ['25P02', 'a transaction that has failed'],
    ['42601', 'syntax'],
    ['42P01', 'no such table'],
    ['42703', 'no such column'],
    ['54000', 'too large for an index'],
    ['P0001', 'raised by one of our functions'],
  ])('%s, %s', (code) =>
    expect(kindOf(refusal(code))).toEqual({ isUnavailable: false, isSerializationConflict: false }),
  );

  it.each([new TypeError('x is undefined'), undefined, '57P01'])('not an error of Postgres: %s', (error) =>
    expect(kindOf(error)).toEqual({ isUnavailable: false, isSerializationConflict: false }),
  );
});

it.each(['40001', '40P01', '55P03', '57014'])('%s is a conflict with another statement', (code) =>
  expect(kindOf(refusal(code))).toEqual({ isUnavailable: false, isSerializationConflict: true }),
);

it('recognises an error inside Drizzle’s', () => {
  const wrapped = (code: string) => new DrizzleQueryError('select', [], refusal(code));
  expect(isUnavailable(wrapped('57P05'))).toBe(true);
  expect(isUnavailable(wrapped('22P02'))).toBe(false);
  expect(isSerializationConflict(wrapped('40P01'))).toBe(true);
  expect(isUniqueViolation(wrapped('23505'))).toBe(true);
});
