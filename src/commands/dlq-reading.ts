/** Dead letters as commands show, filter and save them. */
import type { Catalog } from '../core/events/catalog.js';
import { isoTimeOfSeconds } from '../core/events/iso-time.js';
import { type EventRecord, toRecord } from '../core/events/record.js';
import type { ReceivedMessage } from '../core/message.js';
import { readDeath } from '../dead-letters/death.js';
import { type DeadLetter, type GroupName, groupOf } from '../dead-letters/groups.js';
import type { DeadLetterRecord } from '../terminal/filter.js';

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
  return isoTimeOfSeconds(timestamp);
}

/** `3 dead letters`. */
export function lettersText(count: number): string {
  return `${count} dead letter${count === 1 ? '' : 's'}`;
}
