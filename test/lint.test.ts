/** What the linter must refuse, tried on files that do it. */
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const talk = "import OpenAI from 'openai';\n\nexport const client = new OpenAI();\n";

const offences = [
  { path: 'apps/api/src/zz-model.ts', source: talk, because: 'every call is metered' },
  { path: 'apps/worker/src/zz-model.ts', source: talk, because: 'every call is metered' },
  { path: 'packages/billing/src/zz-model.ts', source: talk, because: 'every call is metered' },
  { path: 'packages/tasks/src/zz-model.ts', source: talk, because: 'every call is metered' },
  { path: 'bench/zz-model.ts', source: talk, because: 'every call is metered' },
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
];

let said = '';
beforeAll(() => {
  for (const { path, source } of offences) writeFileSync(join(root, path), source);
  const paths = [...offences.map(({ path }) => path), 'apps/worker/src/model/client.ts'];
  const biome = join(root, 'node_modules/.bin/biome');
  said = spawnSync(biome, ['lint', '--reporter=github', ...paths], { cwd: root, encoding: 'utf8' }).stdout;
});
afterAll(() => {
  for (const { path } of offences) rmSync(join(root, path), { force: true });
});

describe('the linter', () => {
  it.each(offences)('refuses $path, for $because', ({ path, because }) => {
    const lines = said.split('\n').filter((line) => line.includes(`/${path},`));
    expect(lines.join('\n')).toContain(because);
  });

  it('lets the metered client alone talk to a model', () => {
    expect(said).not.toContain('/apps/worker/src/model/client.ts,');
  });
});
