/** Checks that the lint rules refuse forbidden imports, by linting files that contain them. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const modelCall = "import OpenAI from 'openai';\n\nexport const client = new OpenAI();\n";

const offences = [
  { path: 'apps/api/src/zz-model.ts', source: modelCall, because: 'every call is metered' },
  { path: 'apps/worker/src/zz-model.ts', source: modelCall, because: 'every call is metered' },
  { path: 'packages/billing/src/zz-model.ts', source: modelCall, because: 'every call is metered' },
  { path: 'packages/tasks/src/zz-model.ts', source: modelCall, because: 'every call is metered' },
  { path: 'bench/zz-model.ts', source: modelCall, because: 'every call is metered' },
  {
    path: 'packages/tasks/src/zz-fetch.ts',
    source: "export const page = await fetch('https://example.com');\n",
    because: 'Do not use the global variable fetch',
  },
  {
    path: 'packages/tasks/src/zz-socket.ts',
    source: "import { connect } from 'node:net';\n\nexport const socket = connect(80);\n",
    because: 'no database, queue, Redis or network',
  },
  {
    path: 'packages/tasks/src/zz-browser.ts',
    source: "import { chromium } from 'playwright';\n\nexport const browser = await chromium.launch();\n",
    because: 'no database, queue, Redis or network',
  },
  {
    path: 'packages/tasks/src/zz-db.ts',
    source: "import { migrate } from '@tally/db';\n\nexport const work = migrate;\n",
    because: 'no database, queue, Redis or network',
  },
  {
    path: 'apps/api/src/zz-other-app.ts',
    source: "import { startWorker } from '../../worker/src/start.ts';\n\nexport const start = startWorker;\n",
    because: 'apps never import each other',
  },
  {
    path: 'packages/extraction/src/zz-task.ts',
    source: "import { tasks } from '@tally/tasks';\n\nexport const all = tasks;\n",
    because: 'pure functions over HTML',
  },
  {
    path: 'apps/worker/src/zz-testing.ts',
    source: "import { until } from '@tally/testing';\n\nexport const wait = until;\n",
    because: 'nor what only tests use',
  },
  {
    path: 'packages/queue/src/zz-one.ts',
    source: "import type { Two } from './zz-two.ts';\n\nexport type One = { two: Two | undefined };\n",
    because: 'part of a cycle',
  },
  {
    path: 'packages/queue/src/zz-two.ts',
    source: "import type { One } from './zz-one.ts';\n\nexport type Two = { one: One | undefined };\n",
    because: 'part of a cycle',
  },
];

/** A separate tree with the rules and the offending files, so that none of them is ever in the sources. */
const tree = mkdtempSync(join(tmpdir(), 'tally-lint-'));
let output = '';
beforeAll(() => {
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  };
  const rules = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as Record<string, unknown>;
  put('biome.json', JSON.stringify({ ...rules, vcs: { enabled: false } }));
  const client = 'apps/worker/src/model/client.ts';
  put(client, readFileSync(join(root, client), 'utf8'));
  for (const { path, source } of offences) put(path, source);
  const biome = join(root, 'node_modules/.bin/biome');
  const flags = ['lint', '--reporter=github', '--max-diagnostics=1000', '.'];
  output = spawnSync(biome, flags, { cwd: tree, encoding: 'utf8' }).stdout;
});
afterAll(() => rmSync(tree, { recursive: true, force: true }));

describe('the linter', () => {
  it.each(offences)('refuses $path, for $because', ({ path, because }) => {
    const lines = output.split('\n').filter((line) => line.includes(`${path},`));
    expect(lines.join('\n')).toContain(because);
  });

  it('allows only the metered client to call a model', () => {
    expect(output).not.toMatch(/apps\/worker\/src\/model\/client\.ts,.*every call is metered/);
  });
});
