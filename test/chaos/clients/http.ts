/** An HTTP client with a timeout that returns undefined where no answer came. */

export type Answer = { status: number; body: Record<string, unknown> };

export type Request = {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  token?: string | undefined;
  body?: object | undefined;
  headers?: Record<string, string>;
  /** The request's timeout. */
  limitMs?: number;
};

const timeoutMs = 10_000;

/** Sends one request; undefined where no answer came, so that its outcome is unknown. */
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

/** True where the request should be repeated: no answer, or a 503. */
export const mustRepeat = (answer: Answer | undefined): boolean => answer === undefined || answer.status === 503;
