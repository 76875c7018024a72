/**
 * Looking into dead-letter queues. It leaves them as they are, but for one thing: a quorum queue counts each look at a
 * message as a delivery, and gives messages up that have used theirs up.
 */
import { EventsError } from '../core/errors.js';
import { plainHeader, type ReceivedMessage } from '../core/message.js';
import type { QueueCounts, Transport } from '../core/transport.js';
import { type DeliveryLimit, findDeliveryLimits, requireQueue } from '../dead-letters/find.js';
import type { System } from '../presets/preset.js';
import { forPeople } from '../terminal/safe-text.js';
import { type Session, untilAborted } from './deps.js';

/** Dead letters looked at for a question or an overview: enough to choose by, and quick on a deep queue. */
export const LOOK = 1_000;

/** Where the broker does not tell: the limit of RabbitMQ's quorum queues since 4.0, unless they say otherwise. */
const ASSUMED_LIMIT = 20;
/** Deliveries that are left for others: one to take the message, and one to spare. */
const SPARE = 2;

/** A queue to look into. */
export interface Looked {
  readonly queue: string;
  readonly transport: Transport;
  readonly deliveryLimit: DeliveryLimit;
}

export interface OpenQueue extends Looked {
  readonly system: System;
  readonly counts: QueueCounts;
}

export interface LookOptions {
  /** Messages at most, from the head. Default: all. */
  readonly limit?: number | undefined;
  /** Also where the messages have few deliveries left. Default false. */
  readonly anyway?: boolean;
  /** Messages will be taken after the look, and some of them handed back: told where it is refused. Default false. */
  readonly isBeforeTaking?: boolean;
}

/** The transport of the settings, and the depth of a queue that exists. Rejects with `queue-missing`. */
export async function openQueue(queue: string, session: Session): Promise<OpenQueue> {
  const settings = await session.settings();
  const { system } = settings;
  // Looking must not create the file of a fresh embedded broker.
  const transport = await session.openLazily(settings);
  const counts = await untilAborted(requireQueue(transport, system, queue), session.signal);
  const limits = await untilAborted(findDeliveryLimits(transport), session.signal);
  return { system, queue, transport, counts, deliveryLimit: limits(queue) };
}

/** Whether looking by habit does no harm: nothing counts it. */
export function isHarmless({ transport, deliveryLimit }: Omit<Looked, 'queue'>): boolean {
  return transport.features.browseLeavesNoTrace || deliveryLimit === undefined;
}

/**
 * The ready messages of a queue from its head. Throws what the signal was aborted with, and `usage` when messages have
 * two deliveries left, or fewer. Warns when it has come near to that, and tells about the traces it leaves.
 */
export async function* readQueue(
  looked: Looked,
  { limit, anyway = false, isBeforeTaking = false }: LookOptions,
  { terminal, signal }: Pick<Session, 'terminal' | 'signal'>,
): AsyncGenerator<ReceivedMessage> {
  const { queue, transport } = looked;
  if (!anyway) refuseWorn(looked, 0, isBeforeTaking ? HANDED_BACK_HINT : UNSEEN_HINT);
  let most = 0;
  let any = false;
  let refused = false;
  try {
    for await (const message of transport.browse(queue, limit === undefined ? {} : { limit })) {
      signal.throwIfAborted();
      most = Math.max(most, deliveriesOf(message));
      any = true;
      refused = !anyway && isWorn(looked, most);
      if (refused) refuseWorn(looked, most, isBeforeTaking ? HANDED_BACK_HINT : SEEN_HINT);
      yield message;
    }
  } finally {
    if (any && !refused) warnOfWear(looked, most + 1, terminal);
    if (any && !transport.features.browseLeavesNoTrace) {
      terminal.debug(`what was looked at in ${queue} is back in its place, flagged "redelivered"`);
    }
  }
}

/** Before messages are taken of which some go back: that counts as one more delivery. For after a look that found them fit. */
export function warnOfHandingBack(looked: Looked, { terminal }: Pick<Session, 'terminal'>): void {
  if (isHarmless(looked) || looked.deliveryLimit === 'unknown') return;
  terminal.warn(
    forPeople(
      `what is not taken of ${looked.queue} is handed back in the end, which counts as a delivery, as looking did; ` +
        `${limitText(looked)}.`,
    ),
  );
}

/** How often a quorum queue has handed this message out before; 0 in other queues. */
export function deliveriesOf({ properties }: ReceivedMessage): number {
  const count = plainHeader(properties.headers?.['x-delivery-count'] ?? 0);
  return typeof count === 'number' ? count : 0;
}

/** True when a message handed out so often before should not be handed out for looking any more. */
export function isWorn(looked: Omit<Looked, 'queue'>, used: number): boolean {
  if (isHarmless(looked)) return false;
  if (looked.deliveryLimit === 'unknown') return used > 0 && ASSUMED_LIMIT - used <= SPARE;
  return (looked.deliveryLimit ?? Number.POSITIVE_INFINITY) - used <= SPARE;
}

const UNSEEN_HINT = 'To look all the same: --yes. To keep them first: dlq export QUEUE FILE --yes.';
const SEEN_HINT =
  'Finding that out counted, too. To look all the same: --yes (dlq export QUEUE FILE --yes keeps them). Without looking, ' +
  'replay-dlq QUEUE --yes brings all of them back, and --to NAME moves them to a queue without a limit.';
const HANDED_BACK_HINT =
  'What is not meant would be handed back, which counts as well. What is taken as a whole is not: replay-dlq QUEUE --yes, ' +
  'without --group, --filter, --ids, --limit and --canary; with --to NAME it moves them to a queue without a limit, where you can choose among them.';

function refuseWorn(looked: Looked, used: number, hint: string): void {
  if (!isWorn(looked, used)) return;
  const { queue } = looked;
  const often = used === 0 ? '' : ` messages of it have been handed out ${used} times before,`;
  throw new EventsError(
    'usage',
    `"${queue}" is spared:${often} each look counts as a delivery, and ${limitText(looked)}`,
    {
      hint: `${hint.replaceAll('QUEUE', queue)}${looked.deliveryLimit === 'unknown' ? ` ${REMEDY}` : ''}`,
    },
  );
}

/** Half of them used up, or the next look would be refused. */
function warnOfWear(looked: Looked, deliveries: number, terminal: Session['terminal']): void {
  if (isHarmless(looked)) return;
  const { queue, deliveryLimit } = looked;
  const limit = typeof deliveryLimit === 'number' ? deliveryLimit : ASSUMED_LIMIT;
  if (deliveries < limit / 2 && !isWorn(looked, deliveries)) return;
  terminal.warn(
    forPeople(
      `messages of ${queue} have been handed out up to ${deliveries} times. Each look counts as one, and ` +
        `${limitText(looked)}. Export them now (dlq export), before you look again.`,
    ),
  );
}

function limitText({ deliveryLimit }: Looked): string {
  if (typeof deliveryLimit === 'number') return `the queue gives a message up after ${deliveryLimit}`;
  return `a quorum queue gives a message up after ${ASSUMED_LIMIT} by default since RabbitMQ 4.0 (the broker does not tell what holds here)`;
}

/** What makes the broker tell. */
export const REMEDY =
  'For RabbitMQ to tell: enable its management plugin (rabbitmq-plugins enable rabbitmq_management), give the user the tag ' +
  '"management", and where it is not at its usual address, name that: managementUrl in the config, or RABBITMQ_MANAGEMENT_URL.';
