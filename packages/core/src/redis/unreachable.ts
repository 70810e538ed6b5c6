/** Recognizes Node errors that mean an unreachable server or a broken connection. */

// Codes of the operating system and of name resolution; file errors have other codes or another syscall.
const networkCodes = /^E(?:CONN|HOST|NET|ADDR|PIPE|TIMEDOUT|PROTO|NOTFOUND|AI_|MFILE|NFILE)/;
const tlsCodes = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH)/;

/** Whether an error comes from the network or from TLS. The request may have been executed all the same. */
export function isUnreachable(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  return syscall === 'connect' || (typeof code === 'string' && (networkCodes.test(code) || tlsCodes.test(code)));
}
