/** Everything in the virtual host, as far as the management API tells it. */
import type { QueueDescription, Survey } from '../../core/transport.js';
import { countQueue } from './counting.js';
import { replyCode } from './failures.js';
import { findManagement, type ListedQueue, type ManagementOptions } from './management.js';
import type { Wire } from './wire.js';

export async function surveyBroker(wire: Wire, options: ManagementOptions): Promise<Survey> {
  const management = await findManagement(wire, options);
  if (typeof management === 'string') return { state: 'unknown', reason: management };
  const answer = await management.everything();
  if (typeof answer === 'string') return { state: 'unknown', reason: answer };
  const queues: QueueDescription[] = [];
  for (const listed of answer.queues) queues.push(await counted(wire, listed));
  return { state: 'known', exchanges: answer.exchanges, queues, bindings: answer.bindings };
}

/**
 * With its counts. The API knows none yet of a queue that is seconds old, or of any soon after the broker started, and
 * never any where its statistics are switched off; a depth of 0 would be a lie, so the queue is asked itself.
 */
async function counted(
  wire: Wire,
  { spec, deliveryLimit, ready, consumers }: ListedQueue,
): Promise<QueueDescription> {
  const known = { ...spec, ...(deliveryLimit !== undefined && { deliveryLimit }) };
  if (ready !== undefined && consumers !== undefined) return { ...known, ready, consumers };
  try {
    return { ...known, ...((await countQueue(wire, spec.name)) ?? NOTHING) };
  } catch (error) {
    // Exclusive to another connection, say: nobody but its owner may ask.
    if (replyCode(error) === undefined || wire.closed) throw error;
    return { ...known, ...NOTHING };
  }
}

/** Gone meanwhile, out of reach with its node, or young and somebody else's. */
const NOTHING = { ready: 0, consumers: 0 };
