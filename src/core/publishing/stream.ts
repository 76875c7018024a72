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
 * `continueFrom` is the first line that is not final; where there were too many errors, the first that failed. Lines after it may already be confirmed; sent again
 * they have the same ids where they have ids of their own.
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
  /** Line of the first item, which is where to continue when nothing was read. Default 1. */
  readonly firstLine?: number;
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

/** Why a stream ended before its source; `source`: the source itself failed. */
export type StopReason = 'interrupted' | 'errors' | 'broker' | 'source';

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

/** Publishes all items in order and waits for every outcome. Never rejects: what fails is in the report. */
export async function publishStream(
  transport: Pick<Transport, 'publish'>,
  source: AsyncIterable<readonly StreamItem[]>,
  options: StreamOptions = {},
): Promise<StreamReport> {
  const stream = new PublishStream(transport, options);
  await stream.read(source[Symbol.asyncIterator]());
  return stream.finish();
}

class PublishStream {
  private readonly report: StreamReport = { published: 0, confirmed: 0, returned: 0, failed: 0, errors: [] };
  /** Lines that failed without a final outcome. */
  private readonly open: number[] = [];
  private readonly startedAt: number;
  private readonly now: () => number;
  private inFlight = 0;
  private lastLine: number;
  /** Resolves a wait for the next settled item. */
  private wake: () => void = () => {};
  /** Ends the wait for the source: there is a reason to stop. */
  private halt: () => void = () => {};

  constructor(
    private readonly transport: Pick<Transport, 'publish'>,
    private readonly options: StreamOptions,
  ) {
    this.now = options.now ?? (() => performance.now());
    this.startedAt = this.now();
    this.lastLine = (options.firstLine ?? 1) - 1;
  }

  async read(items: AsyncIterator<readonly StreamItem[]>): Promise<void> {
    const { signal } = this.options;
    const onAbort = () => this.halt();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      for (;;) {
        const next = await this.next(items);
        if (next === undefined) {
          this.report.stopped ??= this.stopReason() ?? 'broker';
          // The source may be waiting for input that never comes: it is told, not waited for.
          void Promise.resolve(items.return?.()).catch(() => {});
          return;
        }
        if (next.done || !(await this.sendAll(next.value))) return;
      }
    } catch (error) {
      this.report.stopped = 'source';
      this.report.errors.push({ line: this.lastLine + 1, error: asEventsError(error, 'input-invalid') });
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /**
   * The next items, or undefined once there is a reason to stop: a source that is silent does not hide it.
   * Not a race against one promise that lasts: each race would hang on to it, with its items, until the end
   * (1 KB per line: 1 GB for a million).
   */
  private next(items: AsyncIterator<readonly StreamItem[]>) {
    return new Promise<IteratorResult<readonly StreamItem[]> | undefined>((resolve, reject) => {
      this.halt = () => resolve(undefined);
      if (this.stopReason()) this.halt();
      items.next().then(resolve, reject);
    });
  }

  /** Waits for what is in flight. */
  async finish(): Promise<StreamReport> {
    while (this.inFlight > 0) await this.nextSettled();
    const { report, open } = this;
    if (open.length > 0) report.stopped ??= 'broker';
    if (this.options.signal?.aborted) report.stopped ??= 'interrupted';
    // After too many errors it is likely that all had one cause: better to send some again than to skip one.
    const failed = report.stopped === 'errors' ? report.errors.map(({ line }) => line) : open;
    if (report.stopped) report.continueFrom = failed.reduce((a, b) => Math.min(a, b), this.lastLine + 1);
    return report;
  }

  /** False: there was a reason to stop. */
  private async sendAll(items: readonly StreamItem[]): Promise<boolean> {
    const { rate, maxInFlight = 2000 } = this.options;
    for (const item of items) {
      if (rate !== undefined) await this.pace((this.report.published * 1000) / rate);
      const reason = this.stopReason();
      if (reason) {
        this.report.stopped = reason;
        return false;
      }
      this.lastLine = item.line;
      if ('error' in item) this.fail(item.line, item.error);
      else {
        this.send(item.line, item.message);
        if (this.inFlight >= maxInFlight) await this.nextSettled();
      }
    }
    return true;
  }

  private send(line: number, message: OutgoingMessage): void {
    this.report.published++;
    this.inFlight++;
    this.transport.publish(message).then(
      () => {
        this.report.confirmed++;
        this.settled();
      },
      (error: unknown) => {
        this.fail(line, asEventsError(error, 'publish-unknown'));
        this.settled();
      },
    );
  }

  private settled(): void {
    this.inFlight--;
    this.options.onProgress?.(this.report);
    this.wake();
  }

  private fail(line: number, error: EventsError): void {
    this.report.errors.push({ line, error });
    if (error.code === 'unroutable') this.report.returned++;
    else this.report.failed++;
    if (NOT_FINAL.has(error.code)) this.open.push(line);
    if (this.stopReason()) this.halt();
  }

  private stopReason(): StopReason | undefined {
    if (this.options.signal?.aborted) return 'interrupted';
    if (this.open.length > 0) return 'broker';
    return this.report.errors.length >= (this.options.maxErrors ?? 100) ? 'errors' : undefined;
  }

  private nextSettled(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  /** Waits until `dueMs` after the start; an abort ends the wait. */
  private async pace(dueMs: number): Promise<void> {
    const { signal } = this.options;
    const waitMs = this.startedAt + dueMs - this.now();
    if (waitMs <= 1) return;
    try {
      await delay(waitMs, undefined, signal && { signal });
    } catch (error) {
      if (!signal?.aborted) throw error; // the caller looks at the signal next
    }
  }
}

/** What is no error of ours is somebody's defect; its outcome is whatever is the careful thing to assume. */
function asEventsError(error: unknown, code: 'publish-unknown' | 'input-invalid'): EventsError {
  return isEventsError(error) ? error : new EventsError(code, messageOf(error), { cause: error });
}
