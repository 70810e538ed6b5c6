/** `npm run conformance -- FOLDER`: checks the platform against a folder of payloads, pages and addresses. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { checkInstagram } from './instagram/instagram.ts';
import { checkPages } from './pages/pages.ts';
import { createReport } from './report.ts';
import { checkAddresses } from './ssrf/addresses.ts';

const [folder] = process.argv.slice(2);
const parts = [
  { path: 'pages/truth.json', check: checkPages },
  { path: 'ssrf.json', check: checkAddresses },
  { path: 'instagram/index.json', check: checkInstagram },
];

if (folder === undefined) {
  console.error('A folder is required: npm run conformance -- FOLDER');
  process.exit(2);
}
const root = resolve(folder);
const found = parts.filter(({ path }) => existsSync(join(root, path)));
if (found.length === 0) {
  console.error(`${root} has none of ${parts.map(({ path }) => path).join(', ')}`);
  process.exit(2);
}
const report = createReport();
for (const { path, check } of found) await check(join(root, path), report);
process.exit(report.end() ? 0 : 1);
