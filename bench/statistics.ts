/** Computes medians over rounds and percentiles over requests. */

/** The spread over the rounds of one side. */
export type Spread = { median: number; min: number; max: number };

/** @throws RangeError without values */
export function spreadOf(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: percentile(sorted, 50), min: percentile(sorted, 0), max: percentile(sorted, 100) };
}

/** The interpolated percentile of ascending values. @throws RangeError without values */
export function percentile(sorted: number[], percent: number): number {
  const place = ((sorted.length - 1) * percent) / 100;
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  if (below === undefined || above === undefined) throw new RangeError('no values');
  return below + (above - below) * (place - Math.floor(place));
}

export type Percentiles = { p50: number; p95: number; p99: number };

export function percentilesOf(values: number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  return { p50: percentile(sorted, 50), p95: percentile(sorted, 95), p99: percentile(sorted, 99) };
}
