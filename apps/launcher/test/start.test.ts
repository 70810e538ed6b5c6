import { existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { servicesFile } from '@tally/core';
import { temporaryFolder } from '@tally/testing/vitest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ask, descendantsOf, living, servicesOf, start, startReady } from './fixtures/run.ts';

describe('npm start', { timeout: 120_000 }, () => {
  test('passes all services to the API and to joining processes', async () => {
    const launched = await startReady();
    const { env } = await ask(launched.url);
    const services = servicesOf(launched);

    expect(env).toMatchObject({ ...services, PORT: String(launched.port), DATA_DIR: launched.dataDir });
    expect(services.DATABASE_URL).toMatch(/^postgres:\/\/tally:.+@127\.0\.0\.1:\d+\/tally$/);
    expect(services.REDIS_URL).toMatch(/^redis:\/\/:.+@127\.0\.0\.1:\d+$/);
    expect(services).not.toHaveProperty('PORT');
    expect(statSync(servicesFile(launched.dataDir)).mode & 0o777).toBe(0o600);
    expect((await ask(services.OPENAI_BASE_URL ?? '')).env.SANDBOX_API_KEY).toBe(services.OPENAI_API_KEY);
    expect(launched.output()).toContain('The sandbox model answers');
  });

  test('stands in for Instagram and shop if only a model is set', async () => {
    const launched = await startReady({ OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' });
    const services = servicesOf(launched);

    expect(services.OPENAI_BASE_URL).toBe('http://127.0.0.1:9/v1');
    expect(services.INSTAGRAM_GRAPH_URL).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/graph$/);
    expect(services.EXTRACTION_ALLOW_HOSTS).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(services.INSTAGRAM_APP_SECRET).toMatch(/^[0-9a-f]{64}$/);
    expect(launched.output()).not.toContain('The sandbox model answers');
  });

  test('starts no sandbox if model, Instagram and mail are set', async () => {
    const named = {
      OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
      INSTAGRAM_GRAPH_URL: 'http://127.0.0.1:9/graph',
      SMTP_URL: 'smtp://127.0.0.1:9',
      REDIS_KEY_PREFIX: 'mine',
      LOG_LEVEL: 'debug',
    };
    const launched = await startReady(named);

    expect((await ask(launched.url)).env).toMatchObject(named);
    expect(servicesOf(launched)).toMatchObject({ OPENAI_BASE_URL: 'http://127.0.0.1:9/v1', REDIS_KEY_PREFIX: 'mine' });
    expect(servicesOf(launched)).not.toHaveProperty('LOG_LEVEL');
    expect(existsSync(join(launched.dataDir, 'logs/sandbox.log'))).toBe(false);
    expect(launched.output()).not.toContain('sandbox');
  });

  test('refuses a second start on the same folder', async () => {
    const first = await startReady();
    const second = await start({ DATA_DIR: first.dataDir });

    expect(await second.exitCode()).toBe(1);
    expect(second.output().trim()).toBe(
      `Tally already runs on ${first.dataDir} (pid ${first.process.pid}, ${first.url}). Stop it or set DATA_DIR and PORT.`,
    );
  });

  test('refuses a taken port before anything is started', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const port = (other.address() as { port: number }).port;
    const dataDir = await temporaryFolder();

    const launched = await start({ PORT: String(port), DATA_DIR: dataDir });

    expect(await launched.exitCode()).toBe(1);
    expect(launched.output().trim()).toBe(
      `Port ${port} on 127.0.0.1 is taken by another program. Stop that, or choose another port: PORT=${port + 1} npm start`,
    );
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false);
    expect(existsSync(join(dataDir, 'launcher.lock'))).toBe(false);
  });

  test('reports all invalid variables at once', async () => {
    const launched = await start({ REDIS_URL: 'nonsense', WORKER_CONCURRENCY: 'many' });

    expect(await launched.exitCode()).toBe(1);
    expect(launched.output()).toMatch(/REDIS_URL: .*\n.*WORKER_CONCURRENCY: /);
  });

  test('ends with the output of a failed migration', async () => {
    const launched = await start({ STAND_IN_FAULT: 'migrate' });
    await launched.says('Creating the database');
    const started = descendantsOf(launched.process.pid ?? 0);

    expect(await launched.exitCode()).toBe(1);
    expect(launched.output()).toMatch(/migrate failed \(code 1\):.*the stand-in does as it was told/s);
    expect(living(started)).toEqual([]);
  });

  test('gives up on an API that does not start', async () => {
    const launched = await start({ STAND_IN_FAULT: 'api' });

    expect(await launched.exitCode()).toBe(1);
    expect(launched.output()).toMatch(/The api does not start \(code 1\).*the stand-in does as it was told/s);
  });
});
