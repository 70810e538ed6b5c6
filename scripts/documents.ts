/** `npm run docs`: generates the documents' parts about settings from packages/core/src/config/settings.ts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listSettings, type Setting } from '@tally/core';

const root = join(import.meta.dirname, '..');

/** The generated part of each document, between the lines that start with `begin` and `end`. */
const parts = [
  { file: 'README.md', begin: '<!-- settings', end: '<!-- /settings', render: toTable },
  { file: '.env.example', begin: '# Settings', end: '# End of settings', render: toExample },
  { file: 'docker-compose.yml', begin: '    # Settings', end: '    # End of settings', render: toCompose },
];

/** Every document with its current and its generated text. */
export function renderDocuments(): { file: string; now: string; wanted: string }[] {
  return parts.map(({ file, begin, end, render }) => {
    const now = readFileSync(join(root, file), 'utf8');
    const lines = now.split('\n');
    const from = lines.findIndex((line) => line.startsWith(begin));
    const to = lines.findIndex((line) => line.startsWith(end));
    if (from === -1 || to < from) throw new Error(`${file} has no lines that begin with ${begin} and ${end}`);
    return { file, now, wanted: [...lines.slice(0, from + 1), ...render(), ...lines.slice(to)].join('\n') };
  });
}

function toTable(): string[] {
  const rows = listSettings().map((one) => [`\`${one.variable}\``, defaultOf(one) ?? 'none', one.about]);
  const all = [['variable', 'default', ''], ...rows];
  const widths = [0, 1, 2].map((i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  const line = (cells: string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return ['', line(['variable', 'default', '']), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line), ''];
}

/** Settings that compose does not set itself. Required ones are listed above the generated part, by hand. */
function toExample(): string[] {
  return listSettings()
    .filter(({ required, isComposed, example }) => required === undefined && (!isComposed || example !== undefined))
    .filter(({ variable }) => variable !== 'PROXY_HOPS')
    .map((one) => {
      const value = one.example ?? (schemaDefault(one) === undefined ? '' : String(schemaDefault(one)));
      return `# ${`${one.variable}=${value}`.padEnd(50)} # ${one.about.replace(/`|\[[^\]]*\]\(([^)]*)\)/g, '$1')}`;
    });
}

/** Passes variables through without defaults, because an empty variable counts as unset. */
function toCompose(): string[] {
  return listSettings()
    .filter(({ isComposed, required, variable }) => !isComposed && required === undefined && variable !== 'PROXY_HOPS')
    .map(({ variable }) => `    ${variable}: \${${variable}:-}`);
}

function defaultOf(one: Setting): string | undefined {
  const fallback = schemaDefault(one);
  if (one.shown !== undefined) return one.shown;
  if (fallback === undefined || (Array.isArray(fallback) && fallback.length === 0)) return undefined;
  return typeof fallback === 'number' ? String(fallback) : `\`${fallback}\``;
}

function schemaDefault({ schema }: Setting): unknown {
  const { success, data } = schema.safeParse(undefined);
  return success && typeof data !== 'object' && typeof data !== 'boolean' ? data : undefined;
}

if (process.argv[1] === import.meta.filename)
  for (const { file, now, wanted } of renderDocuments())
    if (now !== wanted) {
      writeFileSync(join(root, file), wanted);
      console.info(`${file} is written anew`);
    }
