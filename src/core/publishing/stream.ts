/**
 * Publishes a stream of messages with bounded memory: many in flight, each accounted for.
 *
 * What an item can come to, and what it means for the line to continue from:
 *
 * | outcome | counted as | final |
 * |---|---|---|
 * | confirmed | published, confirmed | yes |
 * | returned: no queue is bound | published, returned | yes |
 * | not sendable (invalid, refused by the broker) | failed | yes |
 * | outcome unknown, broker unreachable, storage full | failed | no: the stream stops |
 * | never sent, because the stream stopped | nothing | no |
 *
 * `continueFrom` is the first line that is not final. Lines after it may already be confirmed; sent again
 * they have the same ids.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { EventsError, isEventsError, messageOf } from '../errors.js';
import type { OutgoingMessage } from '../message.js';
import type { Transport } from '../transport.js';

/** A message to publish, or the reason why its line holds none. `line` counts from 1. */
export type StreamItem =
  | { readonly line: number; readonly message: OutgoingMessage }
  | { readonly line: number; readonly error: EventsError };

export interface StreamOptions {
  /** Publishes waiting for their confirm at once. Default 2,000. */
  readonly maxInFlight?: number;
  /** Messages per second at most. Default: as fast as they are confirmed. */
  readonly rate?: number;
  /** Stop after this many failed or returned items. Default 100. */
  readonly maxErrors?: number;
  /** Abort: nothing more is sent, what is in flight is awaited. */
  readonly signal?: AbortSignal;
  /** Called after every settled item. */
  readonly onProgress?: (report: StreamReport) => void;
  /** Milliseconds, monotonic. Default `performance.now`. */
  readonly now?: () => number;
}

export interface StreamError {
  readonly line: number;
  readonly error: EventsError;
}

/** Why a stream ended before its source. */
export type StopReason = 'interrupted' | 'errors' | 'broker';

export interface StreamReport {
  /** Handed to the broker. */
  published: number;
  confirmed: number;
  returned: number;
  failed: number;
  /** In order of appearance; at most `maxErrors` and what was in flight then. */
  readonly errors: StreamError[];
  /** Set when the stream ended early. */
  stopped?: StopReason;
  /** First line without a final outcome, when the stream ended early. */
  continueFrom?: number;
}

const NOT_FINAL = new Set([
  'publish-unknown',
  'unreachable',
  'access-refused',
  'storage',
  'closed',
  'timeout',
]);

/** Publishes all items in order and waits for every outcome. Rejects only if the source itself fails. */
export async function publishStream(
  transport: Pick<Transport, 'publish'>,
  source: AsyncIterable<readonly StreamItem[]>,
  options: StreamOptions = {},
): Promise<StreamReport> {
  const {
    maxInFlight = 2000,
    maxErrors = 100,
    rate,
    signal,
    onProgress,
    now = () => performance.now(),
  } = options;
  const report: StreamReport = { published: 0, confirmed: 0, returned: 0, failed: 0, errors: [] };
  const inFlight = new Set<number>();
  const open: number[] = [];
  let wake: (() => void) | undefined;
  let lastRead = 0;
  const startedAt = now();

  const settle = (line: number, error?: unknown) => {
    inFlight.delete(line);
    if (error === undefined) report.confirmed++;
    else recordFailure(report, line, asEventsError(error), open);
    onProgress?.(report);
    if (wake && inFlight.size < maxInFlight) {
      wake();
      wake = undefined;
    }
  };
  const stopReason = (): StopReason | undefined => {
    if (signal?.aborted) return 'interrupted';
    if (open.length > 0) return 'broker';
    return report.errors.length >= maxErrors ? 'errors' : undefined;
  };
  const send = (line: number, message: OutgoingMessage) => {
    report.published++;
    inFlight.add(line);
    transport.publish(message).then(
      () => settle(line),
      (error: unknown) => settle(line, error),
    );
  };

  reading: for await (const items of source) {
    for (const item of items) {
      if (rate !== undefined) await pace(startedAt + (report.published * 1000) / rate - now(), signal);
      const reason = stopReason();
      if (reason) {
        report.stopped = reason;
        break reading;
      }
      lastRead = item.line;
      if ('error' in item) {
        recordFailure(report, item.line, item.error, open);
        continue;
      }
      send(item.line, item.message);
      if (inFlight.size >= maxInFlight) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }
  while (inFlight.size > 0) {
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (inFlight.size === 0) resolve();
    });
  }
  if (open.length > 0) report.stopped ??= 'broker';
  if (signal?.aborted) report.stopped ??= 'interrupted';
  if (report.stopped) report.continueFrom = Math.min(lastRead + 1, ...open);
  return report;
}

function recordFailure(report: StreamReport, line: number, error: EventsError, open: number[]): void {
  report.errors.push({ line, error });
  if (error.code === 'unroutable') report.returned++;
  else report.failed++;
  if (NOT_FINAL.has(error.code)) open.push(line);
}

/** Waits until the next message is due; an abort ends the wait. */
async function pace(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  if (waitMs <= 1) return;
  try {
    await delay(waitMs, undefined, signal && { signal });
  } catch (error) {
    if (!signal?.aborted) throw error; // the caller looks at the signal next
  }
}

function asEventsError(error: unknown): EventsError {
  return isEventsError(error)
    ? error
    : new EventsError('publish-refused', messageOf(error), { cause: error });
}
