/** Reads a request's body up to the limit that holds for the whole sandbox. */
import type { IncomingMessage } from 'node:http';

/** As large as the largest webhook or prompt that a test sends. */
export const maxBodyBytes = 4 * 1024 * 1024;
/** What is read and thrown away of a body that is too large, so that the client hears the 413 rather than a reset. */
const maxDiscardedBytes = 64 * 1024 * 1024;

/** The whole body; `too_large` above 4 MB; `gone` where the client left while sending. */
export function readBody(request: IncomingMessage): Promise<Buffer | 'too_large' | 'gone'> {
  return new Promise((resolve) => {
    let parts: Buffer[] = [];
    let bytes = 0;
    request.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= maxBodyBytes) parts.push(part);
      else parts = [];
      if (bytes > maxDiscardedBytes) request.destroy();
    });
    request.on('end', () => {
      const [first] = parts;
      if (bytes > maxBodyBytes) resolve('too_large');
      else resolve(parts.length === 1 && first ? first : Buffer.concat(parts));
    });
    request.on('close', () => resolve('gone'));
  });
}
