/** Connects to a host only if all of its addresses are public, and to exactly the address that was checked. */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { TallyError } from '@tally/core';
import { type AddressPolicy, addressRefusals, checkHostAndPort, isExempt, isPublicAddress } from '@tally/extraction';
import { createSlots } from '../slots.ts';

/** The underlying network; tests map public-looking addresses to their own listeners. */
export type Network = {
  /** All addresses of a host name. */
  resolve(hostname: string): Promise<string[]>;
  /** The host and port to connect to for an address and port. */
  dial(address: string, port: number): { host: string; port: number };
};

export const realNetwork: Network = {
  resolve: async (hostname) => (await lookup(hostname, { all: true })).map(({ address }) => address),
  dial: (address, port) => ({ host: address, port }),
};

const connectLimitMs = 5_000;
/** Limits the time that a name with many unreachable addresses can take from its page. */
const maxAddressesTried = 3;

/** A lookup occupies a libuv thread of this process for an unbounded time, so a page may only start a few. */
const maxLookupsAtOnce = 8;
const maxNames = 50;

const noSuchHost = 'There is no such host';
const noConnection = 'The host accepts no connection';

/**
 * Returns a function that opens connections until `closed` is aborted. A name keeps the addresses of its first lookup,
 * against DNS rebinding. `hostname` is in the form of `URL`.
 * @throws TallyError `address_refused`, `page_not_found` (no such host) or `unavailable`; no text contains an address
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
      // Only these two codes mean that the host does not exist; the others are failures of the resolver.
      const isAnswer = error.code === 'ENOTFOUND' || error.code === 'ENODATA';
      throw isAnswer ? new TallyError('page_not_found', noSuchHost) : new TallyError('unavailable', noConnection);
    });
    if (addresses.length === 0) throw new TallyError('page_not_found', noSuchHost);
    closed.throwIfAborted();
    if (!isExempt(hostname, port, policy) && !addresses.every(isPublicAddress))
      throw new TallyError('address_refused', addressRefusals.host);
    return connectToFirst(addresses, (address) => network.dial(address, port));
  };
}

/** Tries IPv4 first: a container without IPv6 notices only by a timeout. */
async function connectToFirst(addresses: string[], dial: (address: string) => ReturnType<Network['dial']>) {
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
