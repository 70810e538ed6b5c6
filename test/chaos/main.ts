/**
 * `npm run chaos`: real processes, real traffic and one fault after the other, by a seed; then every promise is checked.
 *
 *   --minutes N     how long (2); from 10 on, every kind of fault comes at least once
 *   --seed S        repeats the choices of an earlier run (a random one)
 *   --faults a,b    only these, each at least once
 *   --patience X    lets recovery take X times its limit (1): a machine that is busy with more says little of it
 *   --list          names the faults and ends
 *   --json FILE     writes the report there, too
 *   --logs FOLDER   writes what every process logged there
 *   --beside FOLDER one of the workers is that of another version, installed there
 *   --fairness      measures what an account sees of another one's backlog, and ends
 */
import { randomInt } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureFairness } from './fairness.ts';
import { allFaults } from './faults/index.ts';
import { toRows, toText } from './report.ts';
import { run } from './run.ts';
import { buildWorld, type World } from './world.ts';

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
    faults: { type: 'string' },
    patience: { type: 'string', default: '1' },
    list: { type: 'boolean', default: false },
    json: { type: 'string' },
    logs: { type: 'string' },
    beside: { type: 'string' },
    fairness: { type: 'boolean', default: false },
  },
});
const minutes = Number(flags.minutes);
const seed = Number(flags.seed);
const names = flags.faults?.split(',').map((name) => name.trim());
const faults = allFaults
  .filter(({ name }) => names === undefined || names.includes(name))
  .map((fault) => ({ ...fault, limitMs: fault.limitMs * Number(flags.patience) }));
/** In ten minutes there is time for all of them. */
const minutesForAll = 10;
const endLimitMs = 30_000;
const progressEveryMs = 2_000;

const ends: (() => Promise<void>)[] = [];
let isStopping = false;

/** What fails because everything ends is no news. */
function say(line: string): void {
  if (!isStopping) process.stdout.write(`${line}\n`);
}

/** The first reason to stop counts; what was started last ends first. */
async function stop(code: number): Promise<never> {
  if (isStopping) return new Promise(() => undefined);
  isStopping = true;
  setTimeout(() => process.exit(1), endLimitMs).unref();
  for (const end of ends.reverse()) await end().catch((error) => console.error(`at the end: ${String(error)}`));
  process.exit(code);
}

function checkFlags(): string | undefined {
  if (!(minutes > 0 && Number(flags.patience) >= 1) || !Number.isSafeInteger(seed))
    return '--minutes, --patience and --seed must be numbers';
  const unknown = names?.filter((name) => !allFaults.some((fault) => fault.name === name)) ?? [];
  return unknown.length === 0 ? undefined : `there is no fault named ${unknown.join(', ')}: see --list`;
}

async function main(): Promise<number> {
  const command = `npm run chaos -- --minutes ${minutes} --seed ${seed}${names ? ` --faults ${names.join(',')}` : ''}`;
  say(`seed ${seed}; again: ${command}`);
  const progress = setInterval(() => say('   … the installation starts'), progressEveryMs);
  const world = await buildWorld({ minutes, beside: flags.beside, say, atEnd: (end) => void ends.push(end) });
  clearInterval(progress);
  ends.push(() => writeLogs(world));
  const result = await run(world, {
    minutes,
    seed,
    faults,
    mustHaveAll: names !== undefined || minutes >= minutesForAll,
  });
  say(`\n${toText(result)}\n`);
  if (flags.json !== undefined)
    writeFileSync(flags.json, JSON.stringify({ seed, minutes, rows: toRows(result), ...result }, null, 2));
  const failed = result.violations.length;
  say(`${failed === 0 ? 'every check passed' : `${failed} violations`}; seed ${seed}; again: ${command}`);
  return failed === 0 ? 0 : 1;
}

/** Before the installation goes with its folder. */
async function writeLogs({ fleet }: World): Promise<void> {
  if (flags.logs === undefined) return;
  mkdirSync(flags.logs, { recursive: true });
  for (const { name, text } of await fleet.logs()) writeFileSync(join(flags.logs, `${name}.log`), text);
}

const wrong = checkFlags();
if (flags.list) for (const { name, lane } of allFaults) say(`${name} (${lane})`);
else if (wrong !== undefined) {
  console.error(wrong);
  process.exitCode = 2;
} else {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      say(`${signal}: everything ends`);
      void stop(1);
    });
  await (flags.fairness ? measureFairness(say, (end) => void ends.push(end)) : main()).then(stop, (error: Error) => {
    say(error.stack ?? String(error));
    return stop(1);
  });
}
