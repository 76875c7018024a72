/**
 * Dead letters that died of one cause, taken together: event type × reason × fingerprint. Nothing but the groups is
 * kept, so that a queue of any depth can be grouped while it streams by.
 */
import { createHash } from 'node:crypto';
import type { Catalog } from '../core/events/catalog.js';
import { type Decoded, decode } from '../core/events/codec.js';
import type { ReceivedMessage } from '../core/message.js';
import { type Death, type DeathReason, readDeath } from './death.js';

/** A message in a dead-letter queue, and what is known about its death. */
export interface DeadLetter {
  readonly message: ReceivedMessage;
  readonly decoded: Decoded;
  /** The event type that it claims. */
  readonly type: string | undefined;
  readonly death: Death;
}

/** What all dead letters of a group have in common. */
export interface GroupName {
  /** First eight hexadecimal digits of a hash of the three below. */
  readonly id: string;
  readonly type: string | undefined;
  readonly reason: DeathReason;
  /** Of the failure record, else of failed queue and reason. Twelve hexadecimal digits where it is ours. */
  readonly fingerprint: string;
}

export interface Group extends GroupName {
  readonly count: number;
  /** Earliest and latest known death. ISO 8601. */
  readonly first: string | undefined;
  readonly last: string | undefined;
  /** Id of the first dead letter seen: its message id, else what `idOf` makes up. */
  readonly example: string;
  /** Queues that gave them up, in the order seen; at most ten. */
  readonly failedQueues: readonly string[];
  /** Of the first one's failure record. */
  readonly exception: string | undefined;
  readonly message: string | undefined;
}

export interface Grouping {
  /** Counts one more dead letter in. */
  add(letter: DeadLetter): void;
  /** Largest first, then the latest. */
  groups(): Group[];
}

/** Longer texts come from nobody's code: keys and groups must stay small whatever the messages hold. */
const LONGEST_NAME = 255;
const MOST_QUEUES = 10;

/** Reads a message that waits in `queue`. Never throws, whatever it holds. */
export function readDeadLetter(catalog: Catalog, message: ReceivedMessage, queue: string): DeadLetter {
  const death = readDeath(message, queue);
  // A message that names no type is known by its routing key: the first one, not that of its dead-letter exchange.
  const decoded = decode(catalog, { ...message, routingKey: death.routingKey });
  const type = decoded.valid ? decoded.envelope.type : decoded.type;
  return { message, decoded, type, death };
}

/** What a dead letter is called: its message id, else a hash of its body, as an event without an id is. */
export function idOf({ properties, body }: ReceivedMessage): string {
  return properties.messageId ?? `sha256-${createHash('sha256').update(body).digest('hex')}`;
}

/** The group that a dead letter belongs to. */
export function groupOf({ type, death }: Pick<DeadLetter, 'type' | 'death'>): GroupName {
  const { reason, record, failedQueue } = death;
  const name = {
    type: type === undefined ? undefined : cut(type),
    reason,
    fingerprint: record === undefined ? hash([failedQueue ?? null, reason], 12) : cut(record.fingerprint),
  };
  return { id: hash([name.type ?? null, reason, name.fingerprint], 8), ...name };
}

/** An empty grouping. */
export function createGrouping(): Grouping {
  const groups = new Map<string, Growing>();
  return {
    add(letter) {
      const name = groupOf(letter);
      const known = groups.get(name.id);
      if (known === undefined) groups.set(name.id, begin(name, letter));
      else count(known, letter.death);
    },
    groups() {
      return [...groups.values()].toSorted(
        (a, b) => b.count - a.count || (b.last ?? '').localeCompare(a.last ?? ''),
      );
    },
  };
}

type Growing = {
  -readonly [K in Exclude<keyof Group, 'failedQueues'>]: Group[K];
} & { readonly failedQueues: string[] };

function begin(name: GroupName, { message, death }: DeadLetter): Growing {
  const { record } = death;
  return {
    ...name,
    count: 1,
    first: death.firstDiedAt,
    last: death.lastDiedAt,
    example: cut(idOf(message)),
    failedQueues: death.failedQueue === undefined ? [] : [death.failedQueue],
    exception: record && cut(record.exception),
    message: record && cut(record.message),
  };
}

function count(group: Growing, { firstDiedAt, lastDiedAt, failedQueue }: Death): void {
  group.count++;
  if (firstDiedAt !== undefined && (group.first === undefined || firstDiedAt < group.first)) {
    group.first = firstDiedAt;
  }
  if (lastDiedAt !== undefined && (group.last === undefined || lastDiedAt > group.last)) {
    group.last = lastDiedAt;
  }
  const { failedQueues } = group;
  if (failedQueue !== undefined && failedQueues.length < MOST_QUEUES && !failedQueues.includes(failedQueue)) {
    failedQueues.push(failedQueue);
  }
}

function cut(text: string): string {
  return text.length <= LONGEST_NAME ? text : `${text.slice(0, LONGEST_NAME - 1)}…`;
}

/** Of JSON, so that no two lists of texts are written alike. */
function hash(texts: readonly (string | null)[], digits: number): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, digits);
}
