/** Which fault happened when, and how long recovery took. */
export type Incident = {
  fault: string;
  lane: 'inside' | 'outside';
  startedAt: number;
  /** From when recovery counts; undefined while the fault lasts. */
  overAt?: number;
  /** Undefined where it did not recover. */
  recoveryMs?: number;
  /** When the lane was free again. */
  endedAt?: number;
};

/** The incidents, of one lane if need be, within which something happened. */
export function incidentsAt(incidents: readonly Incident[], at: number, lane?: Incident['lane']): Incident[] {
  return incidents.filter(
    (one) => one.startedAt <= at && at <= (one.endedAt ?? Infinity) && (lane === undefined || one.lane === lane),
  );
}
