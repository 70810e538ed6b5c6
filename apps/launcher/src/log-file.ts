/** The log files of what we start, and the few lines of them that belong on the terminal. */
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const maxBytes = 10 * 1_024 * 1_024;
const pollMs = 250;
const maxShownChars = 300;
/** A child in trouble says much; who wants all of it opens the file. */
const maxShownLines = 10;
const shownWindowMs = 10_000;
const errorLevel = 50;

/** Makes the folder, and puts a large file of earlier runs aside as `.1`. */
export function prepareLog(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path) && statSync(path).size > maxBytes) renameSync(path, `${path}.1`);
}

export type FollowedLog = {
  /** Reads what has come since the last look. */
  catchUp(): void;
  /** The last lines since following began, as a person would want them. */
  tail(lines: number): string;
  close(): void;
};

/**
 * Shows each new line that is an error, or that no logger wrote (a crash). The children write to the file themselves,
 * so that they can go on logging, and end in order, when this process is gone.
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
    const text = worthShowing(line);
    if (text === undefined) return;
    if (Date.now() - shown.since > shownWindowMs) shown = { count: 0, since: Date.now() };
    shown.count += 1;
    if (shown.count <= maxShownLines) show(text.slice(0, maxShownChars));
    else if (shown.count === maxShownLines + 1) show(`… and more, in ${path}`);
  }

  const timer = setInterval(catchUp, pollMs);
  return {
    catchUp,
    tail: (lines) => recent.slice(-lines).map(plainly).join('\n'),
    close() {
      clearInterval(timer);
      catchUp();
      closeSync(file);
    },
  };
}

function worthShowing(line: string): string | undefined {
  if (line.trim() === '') return undefined;
  const level = /^\{.*?"level":(\d+)/.exec(line)?.[1];
  return level === undefined || Number(level) >= errorLevel ? plainly(line) : undefined;
}

/** A logger's line without what a person does not ask for first. */
function plainly(line: string): string {
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return [msg, err?.message].filter((part) => part !== undefined).join(': ') || line;
  } catch {
    return line;
  }
}
