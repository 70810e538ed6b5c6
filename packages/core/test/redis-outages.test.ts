import { ReplyError } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { isRedisUnavailable, isUnreachable } from '../src/index.ts';

describe('errors that mean an unavailable Redis', () => {
  it.each([
    'NOREPLICAS Not enough good replicas to write.',
    'NOREPLICAS Not enough good replicas to write. script: ff967d0a, on @user_script:1.',
    "OOM command not allowed when used memory > 'maxmemory'.",
    'LOADING Redis is loading the dataset in memory',
    'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
    'UNKILLABLE Sorry the script already executed write commands against the dataset.',
    "READONLY You can't write against a read only replica.",
    'MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to ‘no’.',
    'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.',
    'CLUSTERDOWN The cluster is down',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'MOVED 3999 127.0.0.1:6381',
    'NOAUTH Authentication required.',
    'WRONGPASS invalid username-password pair or user is disabled.',
    "NOPERM this user has no permissions to run the 'evalsha' command",
    "ERR The user executing the script can't run this command or subcommand script: ff967d0a, on @user_script:1.",
    'ERR max number of clients reached',
    'ERR Script attempted to access a non local key in a cluster node script: ff967d0a, on @user_script:1.',
    'NOSCRIPT No matching script. Please use EVAL.',
    'EXECABORT Transaction discarded because of previous errors.',
    'SOMETHINGNEW that no version of Redis says today',
  ])('%s', (message) => expect(isRedisUnavailable(new ReplyError(message))).toBe(true));

  it.each([
    'Command timed out',
    'Connection is closed.',
    'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
    "Stream isn't writeable and enableOfflineQueue options is false",
    'Failed to refresh slots cache.',
    'None of startup nodes is available',
  ])('client error: %s', (message) => expect(isRedisUnavailable(new Error(message))).toBe(true));
});

describe('errors that do not mean an unavailable Redis', () => {
  it.each([
    'WRONGTYPE Operation against a key holding the wrong kind of value',
    "CROSSSLOT Keys in request don't hash to the same slot",
    'ERR value is not an integer or out of range',
    'ERR Wrong number of args calling Redis command from script script: 5ec1df98, on @user_script:1.',
    "ERR user_script:1: Script attempted to access nonexistent global variable 'nosuch' script: c843e952.",
    "ERR unknown command 'nosuch'",
    'ERR syntax error',
  ])('%s', (message) => expect(isRedisUnavailable(new ReplyError(message))).toBe(false));

  it.each([new Error('Missing lock for job 1. moveToFinished'), new TypeError('x is undefined'), undefined, 'OOM'])(
    'no reply of Redis: %s',
    (error) => expect(isRedisUnavailable(error)).toBe(false),
  );
});

it.each([
  ['ECONNREFUSED', true],
  ['ECONNRESET', true],
  ['EPIPE', true],
  ['ETIMEDOUT', true],
  ['ENOTFOUND', true],
  ['EAI_AGAIN', true],
  ['EHOSTUNREACH', true],
  ['EHOSTDOWN', true],
  ['ENETUNREACH', true],
  ['EMFILE', true],
  ['CERT_HAS_EXPIRED', true],
  ['ERR_TLS_CERT_ALTNAME_INVALID', true],
  ['ENOENT', false],
  ['ERR_INVALID_ARG_TYPE', false],
])('%s is unreachable: %s', (code, expected) => {
  expect(isUnreachable(Object.assign(new Error('no'), { code }))).toBe(expected);
});

it('a missing unix socket is unreachable', () => {
  expect(isUnreachable(Object.assign(new Error('no'), { code: 'ENOENT', syscall: 'connect' }))).toBe(true);
});
