/** Requests as a careful client makes them: with a limit, and with "no answer" as an answer. */

export type Answer = { status: number; body: Record<string, unknown> };

export type Request = {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  token?: string | undefined;
  body?: object | undefined;
  headers?: Record<string, string>;
  /** After that the client has lost patience. */
  limitMs?: number;
};

const timeoutMs = 10_000;

/** Sends one request. Undefined where no answer came: nobody knows what became of it. */
export async function send(url: string, request: Request): Promise<Answer | undefined> {
  try {
    const response = await fetch(`${url}${request.path}`, {
      method: request.method,
      headers: {
        'content-type': 'application/json',
        ...(request.token === undefined ? {} : { authorization: `Bearer ${request.token}` }),
        ...request.headers,
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      signal: AbortSignal.timeout(request.limitMs ?? timeoutMs),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  } catch {
    return undefined;
  }
}

/** Whether to ask again: no answer came, or one that says "not now". */
export const isNotNow = (answer: Answer | undefined): boolean => answer === undefined || answer.status === 503;
