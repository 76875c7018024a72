/**
 * A service hears of a fact by callback, by event, or by both, and does the same about it. What its handlers are given is a
 * *telling*: `{ path, fact, effect }`. `effect` runs on the path that counts, and once per fact whichever path tells it.
 */
import { createCallbackReceiver, openIdempotencyStore } from 'atma-events';
import { forgetfulStore } from './breakage.mjs';

/** Names a fact by what a callback tells of it, as the catalog names it. For workers that put no stamp on their callbacks. */
const factOf = ({ type, jobId, resultId }) =>
  type === 'analysis.completed' ? `${type}:${jobId}:${resultId}` : `${type}:${jobId}`;

/** Both paths share the store and the name: that is how they know of each other. */
export function createTellings({ file, service, reports, broken, onEnd }) {
  const store = broken.idempotency ? forgetfulStore : openIdempotencyStore(file);
  onEnd(() => store.close());
  const receiver = createCallbackReceiver({ store, consumer: service, fact: factOf });

  return {
    store,
    /** Of an event: what a handler of the consumer is given. */
    async byEvent({ type, data }, { fact, effect, message }, handle) {
      const applied = await handle({ path: 'event', fact, effect }, data);
      if (applied) reports.applied('event', type, data);
      reports.acked(message);
    },
    /** Of a callback: `data` is its body, `type` the event that replaces it. The answer is the same in dry run. */
    async byCallback(type, request, data, handle) {
      const { fact, effect } = receiver.receive(request.headers, { type, ...data });
      const applied = await handle({ path: 'callback', fact, effect }, data);
      if (applied) reports.applied('callback', type, data);
      return { success: true };
    },
  };
}
