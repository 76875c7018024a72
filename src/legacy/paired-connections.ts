/**
 * Each connection of a caller has one of its own to each upstream that it calls, and lives as long. A shared pool
 * would be faster by a connect, but the upstream may close a pooled connection in the very moment in which a callback
 * goes out on it, and that callback would fail by the proxy's doing. Paired, a caller meets what it would meet
 * without the proxy: the upstream's own keep-alive times, and its resets.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP, type Socket } from 'node:net';
import type { Upstream } from './upstreams.js';

export interface PairedConnections {
  /** The agent for requests of this caller to this upstream. */
  agentFor(caller: Socket, upstream: Upstream): HttpAgent;
  /** A request of this caller goes out on this connection. */
  follow(caller: Socket, connection: Socket): void;
  began(caller: Socket): void;
  ended(caller: Socket): void;
}

interface Pairing {
  readonly agents: Map<string, HttpAgent>;
  readonly followed: WeakSet<Socket>;
  exchanges: number;
  /** A connection to an upstream was closed: the caller's must be, when its exchanges are over. */
  parted: boolean;
}

export function createPairedConnections(): PairedConnections {
  const pairings = new WeakMap<Socket, Pairing>();

  const pairingOf = (caller: Socket): Pairing => {
    const known = pairings.get(caller);
    if (known !== undefined) return known;
    const pairing: Pairing = { agents: new Map(), followed: new WeakSet(), exchanges: 0, parted: false };
    pairings.set(caller, pairing);
    caller.once('close', () => {
      for (const agent of pairing.agents.values()) agent.destroy();
    });
    return pairing;
  };
  const partIfIdle = (caller: Socket, { parted, exchanges }: Pairing) => {
    if (parted && exchanges === 0) caller.end();
  };

  return {
    agentFor(caller, upstream) {
      const { agents } = pairingOf(caller);
      const agent = agents.get(upstream.name) ?? createAgent(upstream);
      agents.set(upstream.name, agent);
      return agent;
    },
    follow(caller, connection) {
      const pairing = pairingOf(caller);
      if (pairing.followed.has(connection)) return;
      pairing.followed.add(connection);
      connection.once('close', () => {
        pairing.parted = true;
        partIfIdle(caller, pairing);
      });
    },
    began(caller) {
      pairingOf(caller).exchanges++;
    },
    ended(caller) {
      const pairing = pairingOf(caller);
      pairing.exchanges--;
      partIfIdle(caller, pairing);
    },
  };
}

function createAgent({ url }: Upstream): HttpAgent {
  const options = { keepAlive: true, maxSockets: 1 };
  if (url.protocol === 'http:') return new HttpAgent(options);
  // Node would take the name to verify from the Host header, which names this proxy.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return new HttpsAgent({ ...options, servername: isIP(host) === 0 ? host : '' });
}
