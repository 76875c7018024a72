/**
 * Deliberately broken builds, for the tests of the rehearsal: a rehearsal that stays green without a safety proves nothing
 * about it. `ATMA_BREAK` names what is switched off. Never set it where anything counts.
 */
const KNOWN = ['idempotency', 'confirms', 'gate'];

/** `gate` belongs to the rehearsal, not to the services. */
export function readBreakage({ ATMA_BREAK: text = '' }, log) {
  const names = text.split(',').filter((name) => name !== '');
  for (const name of names) {
    if (!KNOWN.includes(name)) throw new Error(`ATMA_BREAK is one of ${KNOWN.join(', ')}, not "${name}"`);
    if (name !== 'gate') log.error('broken-on-purpose', { off: name });
  }
  return { idempotency: names.includes('idempotency'), confirms: names.includes('confirms') };
}

/** An idempotency store that remembers nothing: every effect happens each time that it is asked for. */
export const forgetfulStore = {
  claim: async () => ({ state: 'claimed-now' }),
  renew: async () => true,
  complete: async () => true,
  release: async () => true,
  find: async () => ({ state: 'free' }),
  close: async () => {},
};

/**
 * A transport that says "confirmed" before the broker has anything, and sends a moment later: as a client library that
 * buffers, and whose confirms nobody waits for. An outbox on top of it forgets what may never arrive.
 */
export function hastyTransport(transport, log) {
  return {
    scheme: transport.scheme,
    async publish(message) {
      setTimeout(
        () => transport.publish(message).catch((error) => log.error('lost', { message: error.message })),
        250,
      );
    },
  };
}
