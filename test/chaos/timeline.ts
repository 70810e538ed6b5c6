/** The time of each injected fault and of its recovery. */
export type Incident = {
  fault: string;
  lane: 'inside' | 'outside';
  startedAt: number;
  /** Start of the recovery measurement; undefined while the fault lasts. */
  overAt?: number;
  /** Undefined where recovery was not reached. */
  recoveryMs?: number;
  /** When the lane was free for the next fault. */
  endedAt?: number;
};

/** The incidents, optionally of one lane, that were in progress at a time. */
export function incidentsAt(incidents: readonly Incident[], at: number, lane?: Incident['lane']): Incident[] {
  return incidents.filter(
    (one) => one.startedAt <= at && at <= (one.endedAt ?? Infinity) && (lane === undefined || one.lane === lane),
  );
}
