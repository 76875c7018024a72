/**
 * What of an outbox is held back, apart from all of it: lanes (one exchange and routing key) whose first entry cannot be
 * sent, and entries set aside. Pure but for its memory; times are those of one monotonic clock, in milliseconds.
 *
 * A held lane, tried at its pace:
 *
 * | tried | outcome | the lane |
 * |---|---|---|
 * | its first entry | confirmed | is free |
 * | its first entry | failed | is held on |
 * | the entry behind it | failed | is held on |
 * | the entry behind it | confirmed | is free, its first entry is set aside |
 *
 * The entry behind is tried every other time once the first has failed `SUSPECT_AFTER` times, where the message alone may
 * be the reason.
 */
import type { OutboxEntry } from './outbox-store.js';
import { judgeFailure } from './outbox-trouble.js';

/** Tries of a lane's first entry before it may be the message. */
export const SUSPECT_AFTER = 5;

/** A lane that is held, or an entry set aside. */
export interface HeldBack {
  readonly kind: 'lane' | 'message';
  readonly exchange: string;
  readonly routingKey: string;
  /** The lane's first entry, or the one set aside. */
  readonly id: number;
  readonly messageId: string | undefined;
  /** When it began, milliseconds since 1970. */
  readonly since: number;
  readonly tries: number;
  readonly error: unknown;
  readonly dueAt: number;
  /** Whether the entry behind it is the next to be tried. */
  readonly behind: boolean;
}

export interface LaneDeps {
  /** Milliseconds until the next try after so many. */
  readonly backoff: (tries: number) => number;
  readonly clock: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface Lanes {
  /** Not to be sent in the flow. */
  isHeld(entry: OutboxEntry): boolean;
  /** What is to be tried now, the longest overdue first, at most so many. */
  due(limit: number): HeldBack[];
  /** When the next is due, if any is held. */
  nextDueAt(): number | undefined;
  /** All are due now. */
  hurry(): void;
  /** A publish failed for a reason that is not the line's. Gives what is held now. */
  failed(entry: OutboxEntry, error: unknown): HeldBack;
  /**
   * A try of something held went well. `from`: the lane is free, and is to be sent again from that id on; `aside`: what was
   * set aside for it.
   */
  passed(entry: OutboxEntry): { readonly from?: number; readonly aside?: HeldBack };
  /** Held because of this very entry. */
  isFirst(id: number): boolean;
  /** Nobody to be tried behind it: its first entry is tried again. */
  aloneInLane(held: HeldBack): void;
  /** Its entry is gone: somebody took it out of the file by hand. */
  drop(held: HeldBack): void;
  /** What has waited longest. */
  longest(): HeldBack | undefined;
}

export const laneOf = ({ exchange, routingKey }: Pick<HeldBack, 'exchange' | 'routingKey'>): string =>
  `${exchange.length} ${exchange}${routingKey}`;

export function createLanes({ backoff, clock, now }: LaneDeps): Lanes {
  const lanes = new Map<string, HeldBack>();
  const aside = new Map<number, HeldBack>();
  const all = () => [...lanes.values(), ...aside.values()];
  /** Nothing is due before: there may be thousands, and this is asked before every burst. */
  let quietUntil = Number.POSITIVE_INFINITY;

  function replace(held: HeldBack): HeldBack {
    if (held.kind === 'message') aside.set(held.id, held);
    else lanes.set(laneOf(held), held);
    quietUntil = Math.min(quietUntil, held.dueAt);
    return held;
  }

  function nextDueAt(): number | undefined {
    quietUntil = all().reduce((first, { dueAt }) => Math.min(first, dueAt), Number.POSITIVE_INFINITY);
    return quietUntil === Number.POSITIVE_INFINITY ? undefined : quietUntil;
  }

  return {
    isHeld: (entry) => aside.has(entry.id) || lanes.has(laneOf(entry.message)),
    due(limit) {
      const time = clock();
      if (time < quietUntil) return [];
      nextDueAt();
      const due = all().filter(({ dueAt }) => dueAt <= time);
      return due.sort((a, b) => a.dueAt - b.dueAt).slice(0, limit);
    },
    nextDueAt,
    hurry() {
      for (const held of all()) replace({ ...held, dueAt: clock() });
    },
    failed(entry, error) {
      const held = aside.get(entry.id) ?? lanes.get(laneOf(entry.message));
      // In one burst several of a lane may fail: the first of them holds it.
      if (held !== undefined && held.kind === 'lane' && entry.id > held.id && !held.behind) return held;
      const tries = (held?.tries ?? 0) + 1;
      const suspect = tries >= SUSPECT_AFTER && judgeFailure(error).maybeMessage;
      const { exchange, routingKey, properties } = entry.message;
      return replace({
        kind: held?.kind ?? 'lane',
        exchange,
        routingKey,
        id: held?.id ?? entry.id,
        messageId: held === undefined ? properties.messageId : held.messageId,
        since: held?.since ?? now(),
        tries,
        error: held !== undefined && entry.id !== held.id ? held.error : error,
        dueAt: clock() + backoff(tries),
        behind: suspect && held?.kind === 'lane' && !held.behind,
      });
    },
    passed(entry) {
      if (aside.delete(entry.id)) return {};
      const lane = laneOf(entry.message);
      const held = lanes.get(lane);
      if (held === undefined) return {};
      lanes.delete(lane);
      if (entry.id === held.id) return { from: held.id };
      return { from: held.id, aside: replace({ ...held, kind: 'message', behind: false }) };
    },
    isFirst: (id) => aside.has(id) || [...lanes.values()].some((held) => held.id === id),
    aloneInLane: (held) => void replace({ ...held, behind: false }),
    drop(held) {
      if (held.kind === 'message') aside.delete(held.id);
      else lanes.delete(laneOf(held));
    },
    longest: () => all().sort((a, b) => a.since - b.since)[0],
  };
}
