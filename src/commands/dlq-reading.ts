/** What the commands that read dead-letter queues have in common. They leave every queue as it is. */
import { EventsError } from '../core/errors.js';
import type { Catalog } from '../core/events/catalog.js';
import { type EventRecord, toRecord } from '../core/events/record.js';
import { plainHeader, type ReceivedMessage } from '../core/message.js';
import type { QueueCounts, Transport } from '../core/transport.js';
import { readDeath } from '../dead-letters/death.js';
import { requireQueue } from '../dead-letters/find.js';
import { type DeadLetter, type GroupName, groupOf } from '../dead-letters/groups.js';
import type { System } from '../presets/preset.js';
import { compileDeadLetterFilter, type DeadLetterRecord } from '../terminal/filter.js';
import { hideEmails, hidePasswords, safeText } from '../terminal/safe-text.js';
import { type Session, untilAborted } from './deps.js';

/** Half of the delivery limit that RabbitMQ gives a quorum queue since 4.0. */
export const MANY_DELIVERIES = 10;

export interface OpenQueue {
  readonly system: System;
  readonly transport: Transport;
  readonly counts: QueueCounts;
}

/** The transport of the settings, and the depth of a queue that exists. Rejects with `queue-missing`. */
export async function openQueue(queue: string, session: Session): Promise<OpenQueue> {
  const settings = await session.settings();
  const { system } = settings;
  // Looking must not create the file of a fresh embedded broker.
  const transport = await session.openLazily(settings);
  const counts = await untilAborted(requireQueue(transport, system, queue), session.signal);
  return { system, transport, counts };
}

/**
 * The ready messages of a queue from its head. Throws what the signal was aborted with. Warns when looking has come near
 * to doing harm, and tells about the traces it leaves.
 */
export async function* readQueue(
  queue: string,
  limit: number | undefined,
  transport: Transport,
  { terminal, signal }: Pick<Session, 'terminal' | 'signal'>,
): AsyncGenerator<ReceivedMessage> {
  let most = 0;
  let any = false;
  try {
    for await (const message of transport.browse(queue, limit === undefined ? {} : { limit })) {
      signal.throwIfAborted();
      most = Math.max(most, deliveriesOf(message));
      any = true;
      yield message;
    }
  } finally {
    if (most >= MANY_DELIVERIES) terminal.warn(manyDeliveriesText(queue, most + 1));
    if (any && !transport.features.browseLeavesNoTrace) {
      terminal.debug(`what was looked at in ${queue} is back in its place, flagged "redelivered"`);
    }
  }
}

/** How often a quorum queue has handed this message out before; 0 in other queues. */
export function deliveriesOf({ properties }: ReceivedMessage): number {
  const count = plainHeader(properties.headers?.['x-delivery-count'] ?? 0);
  return typeof count === 'number' ? count : 0;
}

function manyDeliveriesText(queue: string, deliveries: number): string {
  return (
    `messages of ${queue} have been handed out up to ${deliveries} times. Each look counts as one, and a quorum queue ` +
    'with a delivery limit (20 by default since RabbitMQ 4.0) drops a message beyond it. Export them now (dlq export), and ' +
    'raise the limit (policy delivery-limit) before you look again.'
  );
}

/** A dead letter as commands show, filter and save it. */
export interface SeenLetter {
  readonly letter: DeadLetter;
  readonly group: GroupName;
  readonly record: EventRecord;
}

export function seeLetter(
  catalog: Catalog,
  message: ReceivedMessage,
  queue: string,
  now: number,
): SeenLetter {
  const death = readDeath(message, queue);
  // As in `readDeadLetter`: a type that only the routing key tells is told by the first one.
  const { record, decoded } = toRecord(catalog, { ...message, routingKey: death.routingKey }, new Date(now));
  const letter = { message, decoded, type: record.type ?? undefined, death };
  return { letter, group: groupOf(letter), record: { ...record, routingKey: message.routingKey } };
}

/** Which dead letters are meant. */
export interface Choice {
  matches(seen: SeenLetter): boolean;
  /** Throws `usage` when the group that was asked for has not been met. */
  checkGroup(queue: string): void;
  /** Dead letters that lack a field which the filter names. */
  unfit(): number;
}

/** Throws `usage` when the filter is none. */
export async function choiceOf(options: {
  readonly group?: string;
  readonly filter?: string;
}): Promise<Choice> {
  const filter = options.filter === undefined ? undefined : await compileDeadLetterFilter(options.filter);
  let met = false;
  let unfit = 0;
  return {
    matches(seen) {
      if (options.group !== undefined && seen.group.id !== options.group) return false;
      met = true;
      const matches = filter === undefined || filter(filterRecord(seen));
      if (matches === undefined) unfit++;
      return matches === true;
    },
    checkGroup(queue) {
      if (options.group === undefined || met) return;
      throw new EventsError('usage', `There is no group ${options.group} in ${queue}`, {
        hint: `dlq groups ${queue} shows the groups that there are now.`,
      });
    },
    unfit: () => unfit,
  };
}

/** What a filter on dead letters sees. */
export function filterRecord({
  record,
  letter: { death },
}: Pick<SeenLetter, 'record' | 'letter'>): DeadLetterRecord {
  return {
    ...record,
    reason: death.reason,
    queue: death.failedQueue ?? '',
    failure: death.record ?? {},
    diedAt: death.lastDiedAt ?? null,
  };
}

/** When it died, else when it was sent, as far as anything tells. ISO 8601. */
export function diedAt({ death, message }: Pick<DeadLetter, 'death' | 'message'>): string | undefined {
  const { timestamp } = message.properties;
  if (death.lastDiedAt !== undefined || timestamp === undefined) return death.lastDiedAt;
  const sent = new Date(timestamp * 1000);
  return Number.isNaN(sent.getTime()) ? undefined : sent.toISOString();
}

/** Text of a message, fit for people: safe, without addresses and passwords. Safe first: nothing must hide behind an invisible character. */
export function forPeople(text: string): string {
  return hideEmails(hidePasswords(safeText(text)));
}

/** `3 dead letters`. */
export function lettersText(count: number): string {
  return `${count} dead letter${count === 1 ? '' : 's'}`;
}
