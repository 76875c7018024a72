/** The consumers and taps of one transport: opening them, keeping them served, ending them. */
import { EventsError, messageOf, queueMissing } from '../../core/errors.js';
import type {
  ConsumeOptions,
  Delivery,
  QueueSubscription,
  Subscription,
  TapHandlers,
  TapOptions,
  TransportNotice,
} from '../../core/transport.js';
import { isBusy, isFull } from '../../storage/errors.js';
import type { Bell } from './bell.js';
import type { Broker } from './broker.js';
import { Consumer } from './consumer.js';
import { Dispatcher } from './dispatcher.js';
import { addConsumer, deleteQueue, endConsumer, stopConsumer } from './queues.js';
import type { Reaper } from './reaper.js';
import { type OwnSubscription, openSubscription } from './subscription.js';
import { declareTap, Tap } from './tap.js';
import { assertUnlocked } from './topology.js';
import { startWatch } from './watchman.js';

/** After a full disk or a lock that stays, in milliseconds. */
const RETRY_MS = 500;

export interface ReadersOf {
  readonly broker: Broker;
  readonly bell: Bell;
  readonly reaper: Reaper;
  /** Throws `closed` once the transport closes. */
  readonly assertOpen: () => void;
  readonly onNotice: (notice: TransportNotice) => void;
}

export class Readers {
  readonly #of: ReadersOf;
  readonly #broker: Broker;
  readonly #dispatcher: Dispatcher;
  readonly #subscriptions = new Set<OwnSubscription>();
  #stopWatch: (() => void) | undefined;
  #blocked = false;

  constructor(of: ReadersOf) {
    this.#of = of;
    this.#broker = of.broker;
    this.#dispatcher = new Dispatcher(of.broker, (error) => this.#served(error));
    of.broker.onNews(() => this.#dispatcher.stir());
  }

  async consume(
    session: number,
    name: string,
    { prefetch = 100, onLost = () => {} }: ConsumeOptions,
    onDelivery: (delivery: Delivery) => void,
  ): Promise<QueueSubscription> {
    const { queue, id } = await this.#broker.write(false, (turn) => {
      const queue = turn.catalog.queues.get(name);
      if (queue === undefined) throw queueMissing(name);
      assertUnlocked(queue, session);
      return { queue: queue.id, id: addConsumer(turn, queue, session) };
    });
    const subscription = openSubscription({
      stop: async () => {
        consumer.stop();
        this.#dispatcher.delete(consumer);
        await this.#broker.write(false, (turn) => stopConsumer(turn, id));
      },
      close: async () => {
        await this.#dispatcher.flushed();
        consumer.release();
        await this.#broker.write(false, (turn) => endConsumer(turn, id));
        this.#left(subscription);
      },
    });
    const consumer = new Consumer({
      dispatcher: this.#dispatcher,
      queue,
      queueName: name,
      consumer: id,
      prefetch,
      onDelivery,
      onLost,
      end: subscription.fail,
    });
    this.#joined(subscription);
    this.#dispatcher.add(consumer);
    return { ...subscription, synchronise: () => consumer.synchronise() };
  }

  async tap(session: number, options: TapOptions, handlers: TapHandlers): Promise<Subscription> {
    const name = `atma-events.tap.${process.pid}.${globalThis.crypto.randomUUID().slice(0, 13)}`;
    const queue = await this.#broker.write(false, (turn) => declareTap(turn, name, options, session));
    const subscription = openSubscription({
      stop: async () => {
        tap.stop();
        this.#dispatcher.delete(tap);
        await this.#broker.write(false, (turn) => {
          const record = turn.catalog.queuesById.get(queue);
          if (record !== undefined) deleteQueue(turn, record);
        });
      },
      close: async () => this.#left(subscription),
    });
    const hungry = () => this.#dispatcher.stir();
    const tap = new Tap(queue, name, options.bufferLimit, handlers, hungry, subscription.fail);
    this.#joined(subscription);
    this.#dispatcher.add(tap);
    return subscription;
  }

  /** Closes every subscription. A disk that refuses does not keep it from ending. */
  async close(): Promise<void> {
    for (const subscription of this.#subscriptions) await subscription.close().catch(unlessStorage);
    await this.#dispatcher.flushed();
    this.#stopWatch?.();
  }

  #joined(subscription: OwnSubscription): void {
    // Closed meanwhile: the end of the session ends, or has ended, what was just begun.
    this.#of.assertOpen();
    this.#subscriptions.add(subscription);
    this.#stopWatch ??= startWatch(this.#broker, this.#of.bell, {
      reaper: this.#of.reaper,
      stir: () => this.#dispatcher.stir(),
      failed: (error) => this.#served(error),
    });
  }

  #left(subscription: OwnSubscription): void {
    this.#subscriptions.delete(subscription);
    if (this.#subscriptions.size > 0) return;
    this.#stopWatch?.();
    this.#stopWatch = undefined;
  }

  /** How serving the readers went. What may pass is tried again; otherwise every subscription ends. */
  #served(error: unknown): void {
    if (error === undefined) {
      if (this.#blocked) this.#of.onNotice({ kind: 'unblocked' });
      this.#blocked = false;
    } else if (mayPass(error)) {
      if (!this.#blocked) this.#of.onNotice({ kind: 'blocked', reason: messageOf(error) });
      this.#blocked = true;
      setTimeout(() => this.#dispatcher.stir(), RETRY_MS).unref();
    } else {
      this.#dispatcher.endAll(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

/** Throws `usage`. */
export function checkConsume({ prefetch = 100 }: ConsumeOptions): void {
  if (Number.isInteger(prefetch) && prefetch >= 1 && prefetch <= 65_535) return;
  throw new EventsError('usage', `prefetch is a whole number from 1 to 65535, not ${prefetch}`);
}

/** Throws `usage`. */
export function checkTap({ bindings, bufferLimit = 1 }: TapOptions): void {
  if (bindings.length === 0) throw new EventsError('usage', 'a tap needs at least one binding');
  if (Number.isSafeInteger(bufferLimit) && bufferLimit >= 1) return;
  throw new EventsError('usage', `bufferLimit is a whole number from 1 on, not ${bufferLimit}`);
}

/** A full disk gets room again, a lock gets free again; a damaged file stays damaged. */
function mayPass(error: unknown): boolean {
  return isBusy(error) || isFull(error);
}

/** On a full or broken disk nothing can be signed out. The freed lock says it too: others will reap the session. */
function unlessStorage(error: unknown): void {
  if (!(error instanceof EventsError && error.code === 'storage')) throw error;
}
