/** A tap reads its own bounded queue, one message at a time, and tells of drops where they happened. */
import { exchangeMissing, queueMissing } from '../../core/errors.js';
import { bind, type QueueSpec } from '../../core/topology/model.js';
import type { TapHandlers, TapOptions } from '../../core/transport.js';
import type { Claimed } from './claims.js';
import type { Reader } from './dispatcher.js';
import { declare } from './topology.js';
import type { Turn } from './turn.js';

/** Messages taken from the queue at once. They count on top of the buffer, so they must not be many. */
const BATCH = 100;

/** Declares the queue of a tap with its bindings. Returns the queue's id. */
export function declareTap(
  turn: Turn,
  name: string,
  { bindings, bufferLimit }: TapOptions,
  session: number,
): number {
  for (const { exchange } of bindings) {
    if (!turn.catalog.exchanges.has(exchange)) throw exchangeMissing(exchange);
  }
  const spec: QueueSpec = {
    name,
    durable: false,
    exclusive: true,
    autoDelete: true,
    arguments: { 'x-max-length': bufferLimit ?? 10_000 },
  };
  const bound = bindings.flatMap(({ exchange, key }) => bind(exchange, name, key));
  declare(turn, { exchanges: [], queues: [spec], bindings: bound }, session);
  const queue = turn.catalog.queues.get(name);
  if (queue === undefined) throw new Error(`tap queue ${name} was not declared`);
  return queue.id;
}

export class Tap implements Reader {
  readonly consumer = undefined;
  readonly #handlers: TapHandlers;
  readonly #batch: number;
  readonly #hungry: () => void;
  readonly #end: (reason: Error) => void;
  #dropped = 0;
  #reading = false;
  #stopped = false;

  /** `hungry` is called when the batch in hand is done. */
  constructor(
    readonly queue: number,
    readonly queueName: string,
    bufferLimit: number | undefined,
    handlers: TapHandlers,
    hungry: () => void,
    end: (reason: Error) => void,
  ) {
    this.#handlers = handlers;
    this.#batch = Math.max(1, Math.min(bufferLimit ?? BATCH, BATCH));
    this.#hungry = hungry;
    this.#end = end;
  }

  wanted(): number {
    return this.#reading || this.#stopped ? 0 : this.#batch;
  }

  take(claimed: readonly Claimed[], dropped: number): void {
    if (claimed.length === 0) return;
    this.#reading = true;
    // Drops happen at the head of the queue: after all that was claimed before, before all claimed now.
    const gap = dropped > this.#dropped;
    this.#dropped = dropped;
    void this.#read(claimed, gap);
  }

  gone(): void {
    this.end(queueMissing(this.queueName));
  }

  end(reason: Error): void {
    this.#stopped = true;
    this.#end(reason);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #read(claimed: readonly Claimed[], gap: boolean): Promise<void> {
    try {
      if (gap && !this.#stopped) this.#handlers.onGap({ reason: 'overflow' });
      for (const { received } of claimed) {
        if (this.#stopped) return;
        const pending = this.#handlers.onMessage(received);
        if (pending !== undefined) await pending;
      }
    } catch (error) {
      this.end(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#reading = false;
      this.#hungry();
    }
  }
}
