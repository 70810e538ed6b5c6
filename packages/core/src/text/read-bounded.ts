/** Reads at most `maxBytes` of a response body as text; the rest is not downloaded. */
export async function readBounded(response: Response, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  // Breaking out of the loop cancels the body.
  for await (const part of response.body ?? []) {
    parts.push(part.subarray(0, maxBytes - bytes));
    bytes += part.length;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(parts).toString('utf8');
}
