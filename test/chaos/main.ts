/**
 * `npm run chaos`: injects faults into real processes under load, drawn from a seed, then checks every promise.
 *
 *   --minutes N     duration (default 2); from 10 on, every fault is injected at least once
 *   --seed S        repeats the choices of an earlier run (default: random)
 *   --faults a,b    injects only these faults, each at least once
 *   --patience X    multiplies the recovery limits by X (default 1), for a machine under other load
 *   --list          prints the faults and exits
 *   --json FILE     also writes the report to FILE
 *   --logs FOLDER   writes the logs of all processes to FOLDER
 *   --beside FOLDER starts one worker from another version, installed in FOLDER
 *   --fairness      only measures how one account's backlog delays another account
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
/** Ten minutes are enough for every fault. */
const minutesForAll = 10;
const endLimitMs = 30_000;
const progressEveryMs = 2_000;

const ends: (() => Promise<void>)[] = [];
let isStopping = false;

/** Prints a line; failures during shutdown are expected and not printed. */
function say(line: string): void {
  if (!isStopping) process.stdout.write(`${line}\n`);
}

/** Stops everything in reverse order of start and exits; later calls are ignored. */
async function stop(code: number): Promise<never> {
  if (isStopping) return new Promise(() => undefined);
  isStopping = true;
  setTimeout(() => process.exit(1), endLimitMs).unref();
  for (const end of ends.reverse()) await end().catch((error) => console.error(`during shutdown: ${String(error)}`));
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
  const progress = setInterval(() => say('   … starting the installation'), progressEveryMs);
  const world = await buildWorld({ minutes, beside: flags.beside, say, atEnd: (end) => void ends.push(end) });
  clearInterval(progress);
  ends.push(() => writeLogs(world));
  const result = await run(world, {
    minutes,
    seed,
    faults,
    requireAll: names !== undefined || minutes >= minutesForAll,
  });
  say(`\n${toText(result)}\n`);
  if (flags.json !== undefined)
    writeFileSync(flags.json, JSON.stringify({ seed, minutes, rows: toRows(result), ...result }, null, 2));
  const failed = result.violations.length;
  say(`${failed === 0 ? 'every check passed' : `${failed} violations`}; seed ${seed}; again: ${command}`);
  return failed === 0 ? 0 : 1;
}

/** Must run before the installation's folder is deleted. */
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
      say(`${signal}: shutting down`);
      void stop(1);
    });
  await (flags.fairness ? measureFairness(say, (end) => void ends.push(end)) : main()).then(stop, (error: Error) => {
    say(error.stack ?? String(error));
    return stop(1);
  });
}
