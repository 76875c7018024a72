/**
 * Copies of the events that consumers are bound to receive, for as long as the run lasts. Where the broker is not there,
 * or is lost, it is waited for, however long that takes; it is always known since when copies may be missing.
 */
import { isEventsError, messageOf } from '../core/errors.js';
import type { Catalog } from '../core/events/catalog.js';
import { toRecord } from '../core/events/record.js';
import type { ReceivedMessage } from '../core/message.js';
import { HEADER_CALLBACKS } from '../core/migration/stamp.js';
import type { Subscription, TapGap, Transport } from '../core/transport.js';
import type { RunItem } from './run-item.js';
import type { ShadowBindings } from './tap-bindings.js';

export interface LiveTapsOptions {
  readonly transport: Transport;
  readonly catalog: Catalog;
  readonly bindings: ShadowBindings;
  /** Name of the source. */
  readonly source: string;
  readonly put: (item: RunItem) => void;
  /** Undefined while the recorder has room; else resolves when it has. */
  readonly room: () => Promise<void> | undefined;
  /** Copies that the broker keeps for us. Default 50,000: half a minute of ATMA's peak, should the disk hold us up. */
  readonly bufferLimit?: number;
  readonly now: () => number;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** What a person must know, in words. */
  readonly warn: (text: string) => void;
  readonly note: (text: string) => void;
}

export interface LiveTaps {
  isUp(): boolean;
  /** Every copy that came before this time has been put; undefined while it is down. Milliseconds since 1970. */
  watermark(): number | undefined;
  close(): Promise<void>;
}

/** Between two tries to reach the broker. */
const RETRY_MS = 1_000;
/** A broker that takes longer than this to be tapped was not there when the run began. */
const GRACE_MS = 3_000;
/**
 * A dead line is noticed by its heartbeat, 30 s late with RabbitMQ's usual setting: from the last copy on, and for so
 * long at most, copies may be missing. Milliseconds.
 */
const UNNOTICED_MS = 40_000;
/** Copies held back for longer than this came late by our doing. */
const HELD_MS = 1_000;
/** What has gathered at the broker meanwhile has come by then. */
const CATCH_UP_MS = 10_000;
const BUFFER = 50_000;
const CLOSE_MS = 2_000;

export function startLiveTaps(options: LiveTapsOptions): LiveTaps {
  const { source, put, now, warn, note } = options;
  const closing = new AbortController();
  let up = false;
  let everUp = false;
  let toldDown = false;
  let toldWhy = false;
  let toldNoDeadLetters = false;
  let lastAt = 0;
  let heldSince: number | undefined;
  let current: Subscription | undefined;

  const goneDown = (at: number) => {
    if (toldDown) return;
    toldDown = true;
    put({ kind: 'down', source, at });
  };
  const take = (message: ReceivedMessage): Promise<void> | void => {
    lastAt = now();
    const item = itemOf(options, message, lastAt);
    if (item !== undefined) put(item);
    const room = options.room();
    if (room === undefined) return;
    heldSince ??= lastAt;
    return room.then(() => {
      const since = heldSince ?? now();
      heldSince = undefined;
      if (now() - since < HELD_MS) return;
      // Those that waited at the broker will be stamped when they come: nobody can say how late they were.
      put({ kind: 'gap', source, from: since, to: now() + CATCH_UP_MS });
      warn('Copies of events had to wait for the recorder: a gap is recorded.');
    });
  };
  const open = (bindings: ShadowBindings['events'], lost: () => void): Promise<Subscription> => {
    let own = true;
    return options.transport.tap(
      { bindings, bufferLimit: options.bufferLimit ?? BUFFER },
      {
        onMessage: (message) => (own ? take(message) : undefined),
        onGap({ reason }: TapGap) {
          if (!own) return;
          if (reason === 'overflow') {
            put({ kind: 'gap', source, from: heldSince ?? lastAt, to: now() });
            warn('The broker dropped copies of events, as this process was too slow: a gap is recorded.');
            return;
          }
          own = false;
          lost();
        },
      },
    );
  };
  const openAll = async (lost: () => void): Promise<Subscription> => {
    const { events, deadLetters } = options.bindings;
    try {
      return await open([...events, ...deadLetters], lost);
    } catch (error) {
      if (deadLetters.length === 0 || !isEventsError(error, 'exchange-missing')) throw error;
    }
    const without = await open(events, lost);
    if (!toldNoDeadLetters)
      note('Dead letters are not observed: their exchange does not exist. setup creates it.');
    toldNoDeadLetters = true;
    return without;
  };
  const refused = (error: unknown) => {
    if (toldWhy) return;
    toldWhy = true;
    const hint = isEventsError(error, 'exchange-missing') ? ' setup creates it.' : '';
    const why = messageOf(error).replace(/\.$/, '');
    warn(`Events are not recorded: ${why}.${hint} Trying on; callbacks are forwarded.`);
  };
  const beginsLate = now();
  const grace = setTimeout(() => {
    if (everUp || toldDown) return;
    warn('The broker has not answered yet: callbacks are forwarded, events are not recorded.');
    goneDown(beginsLate);
  }, GRACE_MS);

  /** Of the subscription that is open. */
  let lost = () => {};
  const run = async () => {
    while (!closing.signal.aborted) {
      const gone = new Promise<void>((resolve) => {
        lost = resolve;
      });
      try {
        current = await openAll(lost);
      } catch (error) {
        if (closing.signal.aborted) return;
        refused(error);
        goneDown(everUp ? now() : beginsLate);
        await options.pause(RETRY_MS, closing.signal).catch(() => {});
        continue;
      }
      current.ended.catch(lost); // its end is a loss like any other
      if (closing.signal.aborted) return;
      const at = now();
      put({ kind: 'up', source, at });
      if (toldDown) note('The broker is there: events are recorded.');
      [up, everUp, toldDown, toldWhy, lastAt] = [true, true, false, false, at];
      await gone;
      up = false;
      if (closing.signal.aborted) return;
      goneDown(Math.max(lastAt, now() - UNNOTICED_MS));
      warn('The broker was lost: events are not recorded until it is back. Callbacks are forwarded.');
      void current.close().catch(() => {}); // what it was opened on is gone
    }
  };
  const running = run();

  return {
    isUp: () => up,
    watermark: () => (up ? (heldSince ?? now()) : undefined),
    async close() {
      closing.abort();
      lost();
      clearTimeout(grace);
      up = false;
      const timer = new AbortController();
      await Promise.race([
        Promise.all([current?.close().catch(() => {}), running]),
        options.pause(CLOSE_MS, timer.signal).catch(() => {}),
      ]);
      timer.abort();
    },
  };
}

/** Undefined for a dead letter of somebody else's queue. */
function itemOf(
  { catalog, bindings, source }: LiveTapsOptions,
  message: ReceivedMessage,
  at: number,
): RunItem | undefined {
  const { record, decoded } = toRecord(catalog, message, new Date(at));
  const { headers: all, ...rest } = record;
  const first = all['x-first-death-queue'];
  let queue = typeof first === 'string' ? first : undefined;
  if (
    bindings.isDeadLetterExchange(record.exchange) &&
    !(queue !== undefined && bindings.isConsumerQueue(queue))
  ) {
    // Given up by a consumer that published it there itself, as those on the core do.
    queue = bindings.gaveUp(record.exchange, record.routingKey) ?? undefined;
    if (queue === undefined) return undefined;
  }
  const sentAt = decoded.valid ? Date.parse(decoded.envelope.time) : Number.NaN;
  return {
    kind: 'event',
    source,
    line: JSON.stringify({
      ...rest,
      headers: {
        ...(queue !== undefined && { 'x-first-death-queue': queue }),
        ...(all[HEADER_CALLBACKS] === 'not-sent' && { [HEADER_CALLBACKS]: 'not-sent' }),
      },
    }),
    // A dead letter came a long way round.
    ...(!Number.isNaN(sentAt) && queue === undefined && { sentAt }),
  };
}
