/** Sends HTTP requests over keep-alive connections, one at a time on each, and measures the latency of each request. */
import { Pool } from 'undici';
import { answerCalls } from './answer-calls.ts';

export type Load = {
  url: string;
  path: string;
  /** Sent in rotation. */
  requests: { headers: Record<string, string>; body: string }[];
  count: number;
  connections: number;
  expectedStatus: number;
};
export type LoadResult = { seconds: number; latenciesMs: number[] };

/** @throws Error at the first unexpected status */
async function send({ url, path, requests, count, connections, expectedStatus }: Load): Promise<LoadResult> {
  const pool = new Pool(url, { connections });
  const latenciesMs: number[] = [];
  let sent = 0;
  const loop = async () => {
    while (sent < count) {
      const request = requests[sent++ % requests.length];
      const startedAt = performance.now();
      const { statusCode, body } = await pool.request({ method: 'POST', path, ...request });
      const answer = await body.text();
      latenciesMs.push(performance.now() - startedAt);
      if (statusCode !== expectedStatus) throw new Error(`HTTP ${statusCode}: ${answer.slice(0, 500)}`);
    }
  };
  const startedAt = performance.now();
  try {
    await Promise.all(Array.from({ length: connections }, loop));
    return { seconds: (performance.now() - startedAt) / 1_000, latenciesMs };
  } finally {
    await pool.destroy();
  }
}

answerCalls({ send });
