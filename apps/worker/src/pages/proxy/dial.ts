/** Connects to a host only where every address that it has is public, and to the very address that was checked. */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { TallyError } from '@tally/core';
import { type AddressPolicy, addressRefusals, checkHostAndPort, isExempt, isPublicAddress } from '@tally/extraction';
import { createSlots } from '../slots.ts';

/** The network below: tests put a listener of theirs behind an address that only looks public. */
export type Network = {
  /** All addresses of a host name. */
  resolve(hostname: string): Promise<string[]>;
  /** Where the connection for an address and port really goes. */
  dial(address: string, port: number): { host: string; port: number };
};

export const realNetwork: Network = {
  resolve: async (hostname) => (await lookup(hostname, { all: true })).map(({ address }) => address),
  dial: (address, port) => ({ host: address, port }),
};

const connectLimitMs = 5_000;
/** A name with many dead addresses must not use up the time for its page. */
const maxAddressesTried = 3;

/** `getaddrinfo` takes one of this process's four threads for as long as it likes: a page must not have them all for long. */
const maxLookupsAtOnce = 8;
const maxNames = 50;

const noSuchHost = 'There is no such host';
const noConnection = 'The host accepts no connection';

/**
 * Returns a function that opens a connection until `closed` is aborted; a name keeps the addresses of its first use, so that it can't come to
 * something else the next time. `hostname` is as `URL` writes it.
 * @throws TallyError `address_refused`, `page_not_found` (no such host) or `unavailable`, naming no address
 */
export function createDialer(
  policy: AddressPolicy,
  network: Network,
  closed: AbortSignal,
): (hostname: string, port: number) => Promise<Socket> {
  const resolved = new Map<string, Promise<string[]>>();
  const slot = createSlots(maxLookupsAtOnce);

  async function resolve(hostname: string): Promise<string[]> {
    const release = await slot(closed);
    try {
      closed.throwIfAborted();
      return await network.resolve(hostname);
    } finally {
      release();
    }
  }

  function addressesOf(hostname: string): Promise<string[]> {
    const literal = hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(literal) !== 0) return Promise.resolve([literal]);
    if (!resolved.has(hostname) && resolved.size >= maxNames)
      return Promise.reject(new TallyError('unavailable', noConnection));
    const known = resolved.get(hostname) ?? resolve(hostname);
    resolved.set(hostname, known);
    return known;
  }

  return async (hostname, port) => {
    checkHostAndPort(hostname, port, policy);
    const addresses = await addressesOf(hostname).catch((error: { code?: unknown }) => {
      // Of all failures only these two are an answer; the rest are a resolver in trouble.
      const isAnswer = error.code === 'ENOTFOUND' || error.code === 'ENODATA';
      throw isAnswer ? new TallyError('page_not_found', noSuchHost) : new TallyError('unavailable', noConnection);
    });
    if (addresses.length === 0) throw new TallyError('page_not_found', noSuchHost);
    closed.throwIfAborted();
    if (!isExempt(hostname, port, policy) && !addresses.every(isPublicAddress))
      throw new TallyError('address_refused', addressRefusals.host);
    return firstThatAnswers(addresses, (address) => network.dial(address, port));
  };
}

/** IPv4 first: many a container has no IPv6 and learns so only by waiting. */
async function firstThatAnswers(addresses: string[], dial: (address: string) => ReturnType<Network['dial']>) {
  const inOrder = addresses.toSorted((a, b) => isIP(a) - isIP(b)).slice(0, maxAddressesTried);
  for (const address of inOrder) {
    const socket = connect(dial(address));
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(connectLimitMs) });
      return socket;
    } catch {
      socket.destroy();
    }
  }
  throw new TallyError('unavailable', noConnection);
}
