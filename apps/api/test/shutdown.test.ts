import { createLogger } from '@tally/core';
import { connectDatabase } from '@tally/db';
import { questionPath, until } from '@tally/testing';
import { startPlatform, testLog } from '@tally/testing/vitest';
import { expect, it, onTestFinished } from 'vitest';
import { startApi } from '../src/start.ts';

it('close() waits for requests of disconnected clients', async () => {
  const errors: string[] = [];
  const log = createLogger('api', 'error', { write: (line) => void errors.push(line) });
  const { config, newPerson } = await startPlatform({ worker: false }, onTestFinished);
  const api = await startApi(config, log);
  const { token } = await newPerson({ tokens: 1_000 });
  const other = connectDatabase({ url: config.databaseUrl, name: 'test', log: testLog, connections: 1 });
  onTestFinished(other.close);
  const client = await other.pool.connect();
  await client.query('begin');
  await client.query('lock table accounts in access exclusive mode');

  const controller = new AbortController();
  const request = fetch(`${api.url}${questionPath}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ question: 'Anybody?' }),
    signal: controller.signal,
  }).catch(() => undefined);
  const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'tally-api'`;
  await until(async () => (await api.services.db.pool.query(waiting)).rows.length > 0);
  controller.abort();
  await request;
  const closed = api.close();
  const refusesConnections = () =>
    fetch(`${api.url}/health`).then(
      () => false,
      () => true,
    );
  await until(refusesConnections);
  await client.query('rollback');
  client.release();
  await closed;
  expect(errors).toEqual([]);
});
