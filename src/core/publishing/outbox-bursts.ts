/**
 * What an outbox sends next. In a burst are entries of exchanges that have confirmed something since the last failure: a
 * transport that waits for anything (its connection, whether an exchange exists) might send later ones although earlier
 * ones fail. An entry whose exchange has yet to prove itself goes alone.
 */
import { type HeldBack, type Lanes, laneOf } from './outbox-lanes.js';
import type { OutboxEntry, OutboxStore } from './outbox-store.js';

export interface Burst {
  readonly entries: readonly OutboxEntry[];
  /** Of what is held back. Else of the flow. */
  readonly probe: boolean;
}

export interface Bursts {
  /** Undefined when there is nothing to be sent now. Rejects with what the store rejects with. */
  next(): Promise<Burst | undefined>;
  /** The flow goes on with this id, if it is behind it already. */
  backTo(id: number): void;
  /** The exchange has confirmed something. */
  proves(exchange: string): void;
  /** Something failed: all exchanges have to prove themselves again. */
  distrust(): void;
}

/** Bodies in a burst of what is held back, unless the first alone has more. */
const MOST_BYTES = 8 * 1024 * 1024;
/** Looks for the next entry of a lane, each of at most so many entries. */
const LOOKS = { times: 5, entries: 200 };

export interface BurstDeps {
  readonly store: Pick<OutboxStore, 'read'>;
  readonly lanes: Lanes;
  readonly window: number;
  /** Confirmed, though it may still be in the file. */
  readonly isSent: (id: number) => boolean;
}

export function createBursts({ store, lanes, window, isSent }: BurstDeps): Bursts {
  const proven = new Set<string>();
  /** The flow goes on behind this id. */
  let cursor = 0;
  let probedLast = false;

  async function flow(): Promise<Burst | undefined> {
    for (;;) {
      const found = await store.read(cursor, window);
      if (found.length === 0) return undefined;
      const entries: OutboxEntry[] = [];
      for (const entry of found) {
        const held = lanes.isHeld(entry) || isSent(entry.id);
        const alone = !held && !proven.has(entry.message.exchange);
        if (alone && entries.length > 0) return { entries, probe: false };
        cursor = entry.id;
        if (!held) entries.push(entry);
        if (alone) return { entries, probe: false };
      }
      if (entries.length > 0) return { entries, probe: false };
      // Past what is held back, which may be all of a large file: others have their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async function probe(): Promise<Burst | undefined> {
    const entries: OutboxEntry[] = [];
    let bytes = 0;
    for (const held of lanes.due(window)) {
      const entry = await entryToTry(held);
      if (entry === undefined) continue;
      const alone = !proven.has(entry.message.exchange);
      bytes += entry.message.body.length;
      if (entries.length > 0 && (alone || bytes > MOST_BYTES)) break;
      entries.push(entry);
      if (alone) break;
    }
    return entries.length === 0 ? undefined : { entries, probe: true };
  }

  async function entryToTry(held: HeldBack): Promise<OutboxEntry | undefined> {
    const behind = held.behind ? await entryBehind(held) : undefined;
    if (behind !== undefined) return behind;
    if (held.behind) lanes.aloneInLane(held);
    const [entry] = await store.read(held.id - 1, 1);
    if (entry?.id === held.id) return entry;
    lanes.drop(held);
    return undefined;
  }

  async function entryBehind(held: HeldBack): Promise<OutboxEntry | undefined> {
    const lane = laneOf(held);
    let after = held.id;
    for (let look = 0; look < LOOKS.times; look++) {
      const found = await store.read(after, LOOKS.entries);
      const behind = found.find(
        ({ id, message }) => laneOf(message) === lane && !lanes.isFirst(id) && !isSent(id),
      );
      if (behind !== undefined) return behind;
      after = found.at(-1)?.id ?? after;
    }
    return undefined;
  }

  return {
    async next() {
      // By turns, so that neither can hold the other up.
      const burst = probedLast ? ((await flow()) ?? (await probe())) : ((await probe()) ?? (await flow()));
      probedLast = burst?.probe === true;
      return burst;
    },
    backTo(id) {
      cursor = Math.min(cursor, id - 1);
    },
    proves: (exchange) => void proven.add(exchange),
    distrust: () => proven.clear(),
  };
}
