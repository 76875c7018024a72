/**
 * Takes what was ready in a queue when it began, each message once, in order, in batches. What is not taken is held
 * unsettled, with the broker and not in this process, and goes back to its place at the end.
 */
import { queueMissing } from '../core/errors.js';
import type { Transport } from '../core/transport.js';
import type { DrainBatch, DrainOptions, DrainResult } from './drain-types.js';
import { Draining } from './draining.js';

/**
 * Hands batches to `handle`, several at a time, and ends when each message that was ready at the start was dealt with.
 * `handle` settles or leaves all messages of its batch and asks `synchronise` before it resolves; `stop` takes no
 * further ones. When it rejects, the drain ends with that error. In the end everything unsettled is back in the queue.
 * Rejects with `queue-missing`, `unreachable`, `timeout` (somebody else is served), and with what the transport says of
 * a subscription that ended for good.
 */
export async function drain(
  transport: Transport,
  options: DrainOptions,
  handle: (batch: DrainBatch) => Promise<'go-on' | 'stop'>,
): Promise<DrainResult> {
  const counts = await transport.counts(options.queue);
  if (counts === undefined) throw queueMissing(options.queue);
  return new Draining(transport, options, handle, options.total ?? counts.ready).run();
}
