/** Structured logs: one JSON line per event, with ids only, never secrets or message texts. */
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';

export type Logger = PinoLogger;

const secrets = ['password', 'access_token', 'token', 'api_key', 'apiKey', 'authorization', 'secret', 'input', 'text'];

/** A pino logger named after the process; `destination` defaults to standard output. */
export function createLogger(name: string, level: string, destination?: DestinationStream): Logger {
  const options = {
    name,
    level,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: secrets.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' },
    serializers: { err: describeError },
  };
  return pino(options, destination ?? standardOutput());
}

/**
 * Lines are written in blocks, because one system call per line is a tenth of the cost of a submission. They are
 * flushed after 200 ms at the latest and at an orderly exit; a killed process loses its last lines.
 */
const standardOutput = (): DestinationStream =>
  pino.destination({ dest: 1, sync: false, minLength: 4_096, periodicFlush: 200 });

/** An error's message without the data that libraries quote in it. */
function withoutValues(error: Error): string {
  const { severity } = error as { severity?: unknown };
  // Postgres: `invalid input syntax for type integer: "the value"`.
  if (typeof severity === 'string') return error.message.split(': ', 1)[0] ?? '';
  // V8: `Unexpected token 'a', "and what follows it"... is not valid JSON`.
  if (error instanceof SyntaxError) return error.message.replace(/(?:\.\.\.)?".*"(?:\.\.\.)?/s, '…');
  // Drizzle: the statement, then its values.
  return error.message.split('\nparams: ', 1)[0] ?? '';
}

/** The loggable part of an error, without query parameters, request bodies and model texts that libraries attach. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: String(error).slice(0, 500) };
  const { code } = error as { code?: unknown };
  // The stack begins with the message; the frames are kept.
  const message = withoutValues(error);
  return {
    type: error.name,
    message: message.slice(0, 500),
    ...(typeof code === 'string' ? { code } : {}),
    stack: error.stack
      ?.replace(error.message, () => message)
      .split('\n')
      .slice(0, 12)
      .join('\n'),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}
