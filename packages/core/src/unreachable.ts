/** Which errors of Node mean that a server could not be reached, or that its connection broke. */

// Of the operating system and of name resolution, whatever they are; those of files have other names or another syscall.
const networkCodes = /^E(?:CONN|HOST|NET|ADDR|PIPE|TIMEDOUT|PROTO|NOTFOUND|AI_|MFILE|NFILE)/;
const tlsCodes = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH)/;

/** Whether an error is one of the network or of TLS: what was asked may have been done. */
export function isUnreachable(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  return syscall === 'connect' || (typeof code === 'string' && (networkCodes.test(code) || tlsCodes.test(code)));
}
