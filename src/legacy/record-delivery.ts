/**
 * For consumers: they report what they took off their queue and what they did, so that shadow mode can tell
 * "delivered" from "applied", and sees a fact that had its effect by both paths.
 */
import { FARTHEST_MS, isoTime } from '../core/events/iso-time.js';
import { parseJson } from '../core/events/json.js';
import type { ReceivedMessage } from '../core/message.js';
import { type DeliveryRecord, deliveryLine, parseDeliveryRecord } from './delivery-record.js';
import { type CallbackGap, createRecordQueue, type RecordKeeper } from './record-queue.js';

/** What was done, as the service knows it. */
export interface ObservedDelivery {
  /** As the shadow mapping calls it. Default: that of the recorder. */
  readonly consumer?: string;
  readonly did: DeliveryRecord['did'];
  readonly via: DeliveryRecord['via'];
  /** That of a handler's context; says type, id and body by itself. */
  readonly message?: ReceivedMessage;
  /** Without a message, of a fact that came by callback, say. */
  readonly type?: string;
  readonly messageId?: string;
  /** As on the wire; of a callback what names the job: `{ jobId, resultId }`. */
  readonly event?: unknown;
  /** Milliseconds since 1970. Default: now. */
  readonly doneAt?: number;
}

export interface DeliveryRecorderOptions {
  /** Takes one line with its line feed: whole or, by throwing, not at all (`openAppend`, say). */
  readonly write: (line: string) => void | Promise<void>;
  readonly onGap: RecordKeeper['onGap'];
  readonly consumer?: string;
  /** Lines that may wait for `write`. Default 10,000. */
  readonly backlogLimit?: number;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
}

export interface DeliveryRecorder {
  /** Never throws and never waits: what cannot be recorded becomes a gap. */
  recordDelivery(delivery: ObservedDelivery): void;
  /** Waits for `write`, at most so long (default 10,000). Resolves with a gap that nobody was told of. */
  close(options?: { readonly withinMs?: number }): Promise<CallbackGap | undefined>;
}

export function createDeliveryRecorder(options: DeliveryRecorderOptions): DeliveryRecorder {
  const { now = Date.now, write, onGap } = options;
  const queue = createRecordQueue<DeliveryRecord>(
    { onRecord: (record) => write(deliveryLine(record)), onGap },
    options.backlogLimit ?? 10_000,
  );
  /** Made now, for the service may go on to change it; what cannot be made is an error when its turn comes. */
  const attempt = (delivery: ObservedDelivery): [string, () => DeliveryRecord] => {
    try {
      const { doneAt } = delivery;
      const at = isoTime(doneAt !== undefined && Math.abs(doneAt) <= FARTHEST_MS ? doneAt : now());
      const made = parseDeliveryRecord(recordOf(delivery, at, options.consumer));
      return [at, () => made];
    } catch (error) {
      return [
        isoTime(now()),
        () => {
          throw error;
        },
      ];
    }
  };
  return {
    recordDelivery(delivery) {
      const [at, make] = attempt(delivery);
      queue.push({ at, make, release: () => {} });
    },
    close: ({ withinMs = 10_000 } = {}) => queue.close(withinMs),
  };
}

function recordOf(delivery: ObservedDelivery, at: string, consumer: string | undefined): unknown {
  const { message, did, via } = delivery;
  const messageId = delivery.messageId ?? message?.properties.messageId;
  const event = delivery.event ?? (message && bodyOf(message));
  return {
    at,
    consumer: delivery.consumer ?? consumer,
    did,
    via,
    type: delivery.type ?? message?.properties.type ?? message?.routingKey,
    ...(messageId !== undefined && { messageId }),
    ...(event !== undefined && { event: JSON.parse(JSON.stringify(event)) }),
  };
}

function bodyOf({ body }: ReceivedMessage): unknown {
  const parsed = parseJson(body.toString('utf8'));
  return 'value' in parsed ? parsed.value : undefined;
}
