/** Prepares the log files of child processes and shows their errors on the terminal. */
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const maxBytes = 10 * 1_024 * 1_024;
const pollMs = 250;
const maxShownChars = 300;
/** A failing child can log a lot; the terminal shows only this much of it. */
const maxShownLines = 10;
const shownWindowMs = 10_000;
const errorLevel = 50;

/** Creates the folder and renames a large file of earlier runs to `.1`. */
export function prepareLog(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path) && statSync(path).size > maxBytes) renameSync(path, `${path}.1`);
}

export type FollowedLog = {
  /** Reads what was appended since the last read. */
  catchUp(): void;
  /** The last lines since following began, formatted for the terminal. */
  tail(lines: number): string;
  close(): void;
};

/**
 * Shows each new line that is an error or not written by a logger (a crash). The children write to the file themselves,
 * so that they can still log and shut down orderly when this process is gone.
 */
export function followLog(path: string, show: (line: string) => void): FollowedLog {
  const file = openSync(path, 'a+', 0o600);
  let offset = fstatSync(file).size;
  let unfinished = '';
  let recent: string[] = [];
  let shown = { count: 0, since: 0 };

  function catchUp(): void {
    const buffer = Buffer.alloc(64 * 1_024);
    for (let bytes = readSync(file, buffer, 0, buffer.length, offset); bytes > 0; ) {
      offset += bytes;
      const lines = (unfinished + buffer.toString('latin1', 0, bytes)).split('\n');
      unfinished = lines.pop() ?? '';
      for (const line of lines) take(Buffer.from(line, 'latin1').toString());
      bytes = readSync(file, buffer, 0, buffer.length, offset);
    }
  }

  function take(line: string): void {
    recent = [...recent.slice(-49), line];
    const text = errorText(line);
    if (text === undefined) return;
    if (Date.now() - shown.since > shownWindowMs) shown = { count: 0, since: Date.now() };
    shown.count += 1;
    if (shown.count <= maxShownLines) show(text.slice(0, maxShownChars));
    else if (shown.count === maxShownLines + 1) show(`… and more, in ${path}`);
  }

  const timer = setInterval(catchUp, pollMs);
  return {
    catchUp,
    tail: (lines) => recent.slice(-lines).map(toPlainText).join('\n'),
    close() {
      clearInterval(timer);
      catchUp();
      closeSync(file);
    },
  };
}

function errorText(line: string): string | undefined {
  if (line.trim() === '') return undefined;
  const level = /^\{.*?"level":(\d+)/.exec(line)?.[1];
  return level === undefined || Number(level) >= errorLevel ? toPlainText(line) : undefined;
}

/** A log line's message and error message; other lines unchanged. */
function toPlainText(line: string): string {
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return [msg, err?.message].filter((part) => part !== undefined).join(': ') || line;
  } catch {
    return line;
  }
}
