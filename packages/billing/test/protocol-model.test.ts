import { describe, expect, it } from 'vitest';
import { explore, type Guard, guards, type Verdict, type World } from './protocol-model.ts';

const two = { workers: 2, granted: 1, attempts: 2 } as const;
const three = { workers: 3, granted: 1, attempts: 1 } as const;

const worlds: Record<string, World> = {
  'a Redis that loses everything, twice, and a worker that dies': { ...two, flushes: 2, crashes: 1, lapses: 4 },
  'workers that pause for longer than their leases': { ...two, flushes: 1, crashes: 1, lapses: 2, pauses: true },
  'a job that two workers run': { ...two, flushes: 1, lapses: 2, pauses: true, twin: true },
  'a job that two workers run, with tokens for both': {
    ...two,
    granted: 2,
    flushes: 1,
    lapses: 2,
    pauses: true,
    twin: true,
  },
  'a Redis that restarts with old data': { ...two, restarts: 1, lapses: 1, pauses: true },
  'a Redis that restarts, and later loses everything': { ...two, restarts: 1, flushes: 1 },
  'a top-up in the middle': { ...two, topUps: 1, flushes: 1, restarts: 1 },
  'maintenance that sweeps': { ...two, crashes: 1, lapses: 2, sweeps: true, pauses: true },
  'three workers and a Redis that loses everything': { ...three, attempts: 2, flushes: 1 },
  'three workers for two tokens': { ...three, granted: 2, flushes: 1 },
  'tokens taken back, a Redis that loses everything and restarts': {
    ...two,
    takeBack: true,
    flushes: 1,
    restarts: 1,
    crashes: 1,
    lapses: 2,
  },
  'tokens taken back by an operator who pauses, or dies': {
    ...two,
    takeBack: true,
    crashes: 1,
    lapses: 2,
    pauses: true,
    sweeps: true,
  },
  'tokens taken back while some are granted': { ...two, takeBack: true, topUps: 1, flushes: 1, crashes: 1, lapses: 2 },
  'calls that use more than they hold': { ...two, granted: 2, excess: true, flushes: 1, topUps: 1 },
  'calls that use more than they hold, and die': {
    ...two,
    granted: 2,
    excess: true,
    crashes: 1,
    lapses: 2,
    flushes: 1,
  },
  'calls that use more than they hold, and pause': {
    ...two,
    granted: 3,
    attempts: 1,
    excess: true,
    lapses: 2,
    pauses: true,
    sweeps: true,
  },
  'a job that two workers run, using more than they hold': {
    ...two,
    granted: 3,
    attempts: 1,
    excess: true,
    twin: true,
    lapses: 2,
    pauses: true,
  },
  'calls that use more than they hold, and tokens taken back': {
    ...two,
    granted: 2,
    attempts: 1,
    excess: true,
    takeBack: true,
    flushes: 1,
    restarts: 1,
    lapses: 1,
    pauses: true,
  },
  'three workers, one of them an operator who takes a token back': { ...three, granted: 2, takeBack: true, flushes: 1 },
  'three workers, one of which dies': { ...three, crashes: 1, lapses: 2 },
  'three workers and a Redis that restarts': { ...three, restarts: 1, lapses: 1, pauses: true },
};

describe('P2, P3: the protocol keeps all its promises with', () => {
  it.each(Object.entries(worlds))('%s', (_, world) => {
    const { states, broken } = explore(world, { checksLiveness: true });
    expect(broken).toBeUndefined();
    // Guards against a model that stops early and therefore finds nothing.
    expect(states).toBeGreaterThan(10_000);
  });
});

describe('without the guard', () => {
  /** The shortest run that breaks a promise, over all worlds. */
  function shortestRun(without: Guard): string[] {
    let shortest: Verdict['broken'];
    for (const world of Object.values(worlds)) {
      if (world.workers === 3) continue;
      const { broken } = explore({ ...world, without }, { maxEvents: shortest?.run.length });
      shortest = broken ?? shortest;
    }
    return shortest ? [`breaks ${shortest.promise}:`, ...shortest.run] : ['breaks nothing'];
  }

  it(`nonce: ${guards.nonce}`, () => {
    expect(shortestRun('nonce')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 1: intent",
        "worker 1: reserves: HYDRATE",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "worker 0: has used more than it holds",
        "worker 1: begins to hydrate",
        "worker 1: reads Postgres",
        "worker 0: intent for the difference",
        "worker 0: reserves: GRANTED",
        "Redis forgets everything",
        "worker 1: applies what it read",
        "worker 1: reserves: GRANTED",
      ]
    `);
  });

  it(`asof: ${guards.asof}`, () => {
    expect(shortestRun('asof')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 1: intent",
        "worker 1: reserves: HYDRATE",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "worker 0: has used more than it holds",
        "worker 1: begins to hydrate",
        "worker 1: reads Postgres",
        "worker 0: intent for the difference",
        "worker 0: reserves: GRANTED",
        "the lease for the difference of worker 0 runs out in Redis",
        "worker 1: applies what it read",
        "worker 1: reserves: GRANTED",
      ]
    `);
  });

  it(`judge: ${guards.judge}`, () => {
    expect(shortestRun('judge')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "the lease of worker 0 runs out in Redis",
        "worker 1: intent",
        "worker 1: reserves: HYDRATE",
        "worker 1: begins to hydrate",
        "worker 1: reads Postgres",
        "worker 1: applies what it read",
        "worker 1: reserves: GRANTED",
      ]
    `);
  });

  it(`recheck: ${guards.recheck}`, () => {
    expect(shortestRun('recheck')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 1: intent",
        "worker 0: reads Postgres",
        "worker 0: applies what it read",
        "worker 0: takes its hydrated hold for a grant",
        "worker 1: takes its hydrated hold for a grant",
      ]
    `);
  });

  it(`attempt-id: ${guards['attempt-id']}`, () => {
    expect(shortestRun('attempt-id')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "worker 1: intent",
        "worker 1: reserves: GRANTED",
      ]
    `);
  });

  it(`own-hold: ${guards['own-hold']}`, () => {
    expect(shortestRun('own-hold')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "the lease of worker 0 runs out in Postgres",
        "maintenance sweeps Postgres",
        "maintenance sweeps Redis",
        "worker 1: intent",
        "worker 1: reserves: GRANTED",
      ]
    `);
  });

  it(`run-id: ${guards['run-id']}`, () => {
    expect(shortestRun('run-id')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "Redis restarts without its last hold",
        "worker 1: intent",
        "worker 1: reserves: GRANTED",
      ]
    `);
  });

  it(`nonce-of-server: ${guards['nonce-of-server']}`, () => {
    expect(shortestRun('nonce-of-server')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 1: intent",
        "worker 1: reserves: HYDRATE",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "worker 0: has used more than it holds",
        "worker 1: begins to hydrate",
        "worker 1: reads Postgres",
        "worker 0: intent for the difference",
        "worker 0: reserves: GRANTED",
        "Redis restarts",
        "worker 1: applies what it read",
        "worker 1: reserves: GRANTED",
      ]
    `);
  });

  it(`unknown-outcome: ${guards['unknown-outcome']}`, () => {
    expect(shortestRun('unknown-outcome')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "worker 1: intent",
        "worker 0: settles 1 in Postgres",
        "worker 0: does not know that it settled, and releases",
        "worker 1: reserves: GRANTED",
      ]
    `);
  });

  it(`once: ${guards.once}`, () => {
    expect(shortestRun('once')).toMatchInlineSnapshot(`
      [
        "breaks P3:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "worker 1: intent",
        "worker 0: settles 1 in Postgres",
        "worker 1: reserves: GRANTED",
        "worker 1: settles 1 in Postgres",
      ]
    `);
  });

  it(`fence: ${guards.fence}`, () => {
    expect(shortestRun('fence')).toMatchInlineSnapshot(`
      [
        "breaks end:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "worker 1: intent",
        "worker 0: settles 0 in Postgres",
        "worker 1: reserves: GRANTED",
        "worker 1: settles 0 in Postgres",
      ]
    `);
  });

  it(`all-three: ${guards['all-three']}`, () => {
    expect(shortestRun('all-three')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 1: intent",
        "worker 1: reserves: HYDRATE",
        "worker 1: begins to hydrate",
        "worker 1: reads Postgres",
        "worker 0: intent",
        "worker 1: applies what it read",
        "worker 1: reserves: GRANTED",
        "worker 1: takes a token back in Postgres",
        "worker 1: settles in Redis",
        "worker 0: reserves: GRANTED",
      ]
    `);
  });

  it(`one-step: ${guards['one-step']}`, () => {
    expect(shortestRun('one-step')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "worker 1: intent",
        "worker 0: settles 1 in Postgres",
        "worker 0: drops its hold in Redis",
        "worker 1: reserves: GRANTED",
      ]
    `);
  });

  it(`falling: ${guards.falling}`, () => {
    expect(shortestRun('falling')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 1: intent",
        "worker 1: reserves: HYDRATE",
        "worker 1: begins to hydrate",
        "worker 1: reads Postgres",
        "worker 0: intent",
        "worker 1: applies what it read",
        "worker 1: reserves: GRANTED",
        "worker 1: takes a token back in Postgres",
        "worker 1: settles in Redis",
        "worker 0: reserves: GRANTED",
      ]
    `);
  });

  it(`take-held: ${guards['take-held']}`, () => {
    expect(shortestRun('take-held')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "worker 1: intent",
        "worker 1: sees tokens in Postgres",
      ]
    `);
  });

  it(`take-row: ${guards['take-row']}`, () => {
    expect(shortestRun('take-row')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 1: intent",
        "worker 1: reserves: HYDRATE",
        "worker 1: begins to hydrate",
        "worker 1: reads Postgres",
        "worker 0: intent",
        "worker 1: applies what it read",
        "worker 1: reserves: GRANTED",
        "the lease of worker 1 runs out in Postgres",
        "maintenance sweeps Postgres",
        "maintenance sweeps Redis",
        "worker 0: reserves: GRANTED",
      ]
    `);
  });

  it(`excess-held: ${guards['excess-held']}`, () => {
    expect(shortestRun('excess-held')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "worker 1: intent",
        "worker 0: settles 2 in Postgres",
        "worker 1: reserves: GRANTED",
      ]
    `);
  });

  it(`excess-row: ${guards['excess-row']}`, () => {
    expect(shortestRun('excess-row')).toMatchInlineSnapshot(`
      [
        "breaks P2:",
        "worker 0: intent",
        "worker 0: reserves: HYDRATE",
        "worker 0: begins to hydrate",
        "worker 0: reads Postgres",
        "worker 0: applies what it read",
        "worker 0: reserves: GRANTED",
        "worker 0: has used more than it holds",
        "worker 0: intent for the difference",
        "worker 0: reserves: GRANTED",
        "Redis forgets everything",
        "the lease for the difference of worker 0 runs out in Postgres",
        "worker 1: intent",
        "worker 1: reserves: HYDRATE",
        "worker 1: begins to hydrate",
        "worker 1: reads Postgres",
        "worker 1: applies what it read",
        "worker 1: reserves: GRANTED",
      ]
    `);
  });
});
