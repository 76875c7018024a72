/**
 * The contract that every transport keeps. The doc comments are the contract; the suite in
 * `test/transports/contract.ts` runs it against each transport, on the real broker.
 *
 * Rules that hold for every method:
 * - Errors are `EventsError`; their codes are named per method. No text holds a password.
 * - After `close` has begun every method rejects with `closed`.
 * - When the broker cannot be reached, the first call that needs it rejects with `unreachable` once the
 *   start-up budget is spent. After a first success the transport reconnects by itself and calls wait for
 *   it, up to the steady-state budget. Refused credentials, virtual hosts or permissions reject at once
 *   with `access-refused`.
 */
import type { OutgoingMessage, ReceivedMessage } from './message.js';
import type { BindingSpec, ExchangeSpec, QueueSpec, Topology } from './topology/model.js';
import type { TopologyObservation } from './topology/observe.js';

/** What a transport's broker can and cannot do. Declared truthfully: the suite asserts both directions. */
export interface TransportFeatures {
  /** The broker is a process or host of its own, which can restart or be cut off. */
  readonly remote: boolean;
  /** Message headers reach a tap with the exact AMQP field type they were published with. */
  readonly exactHeaderTypes: boolean;
  /** `browse` leaves the redelivered flag as it was. */
  readonly browseLeavesNoTrace: boolean;
}

/** Something the transport did or suffered by itself. */
export type TransportNotice =
  /** The connection went; reconnecting. `role` says what it carried. */
  | { readonly kind: 'lost'; readonly role: 'publish' | 'consume'; readonly cause: string }
  | { readonly kind: 'restored'; readonly role: 'publish' | 'consume'; readonly afterMs: number }
  /** The broker stopped reading publishes (memory or disk alarm). */
  | { readonly kind: 'blocked'; readonly reason: string }
  | { readonly kind: 'unblocked' }
  /** A consumer was ended by the broker (queue deleted, say) and is being reopened. */
  | { readonly kind: 'consumer-lost'; readonly queue: string; readonly cause: string }
  /** What was declared once could not be declared again after a reconnect (somebody else has the name, say). */
  | { readonly kind: 'not-restored'; readonly entity: string; readonly cause: string };

/** What settling a delivery came to. `lost`: its channel or lease was gone, so it will be delivered again. */
export type Settlement = 'settled' | 'lost';

/**
 * One hand-off of a message to a consumer. Settle it exactly once: a second call throws `usage`. A settlement that
 * rejects (`storage`: a full disk, say) has not happened, and may be made again. Once the transport is closed, settling
 * is `lost` or rejects with `closed`: the message is delivered again.
 */
export interface Delivery {
  readonly message: ReceivedMessage;
  /**
   * Done with it: the queue forgets the message. Settles on the channel of delivery only. `settled` means
   * that the broker process of this machine has it (embedded), or that it was handed to the connection
   * (remote brokers do not confirm an ack): it survives this process being killed, not a power cut.
   */
  ack(): Promise<Settlement>;
  /** Put it back in its place, flagged redelivered. */
  requeue(): Promise<Settlement>;
  /** Give it up: to the queue's dead-letter exchange, or dropped where it has none. */
  reject(): Promise<Settlement>;
}

export interface ConsumeOptions {
  /** Unsettled deliveries allowed, 1 to 65535. Default 100. */
  readonly prefetch?: number;
  /**
   * Headers of deliveries keep their exact AMQP field types, as those of a tap do, so that a message published again is
   * the same (where `exactHeaderTypes`). Costs a second look at each header table that holds more than text. Default false.
   */
  readonly exactHeaders?: boolean;
  /**
   * Told that everything in hand was lost (its connection or channel went), before anything is delivered anew:
   * what was not settled by then, and what was settled but not synchronised, may be delivered again. Must not throw.
   */
  readonly onLost?: () => void;
}

/** A running consumer or tap. */
export interface Subscription {
  /** Takes no further deliveries once resolved; those in hand can still be settled. */
  stop(): Promise<void>;
  /** `stop`, then hands everything unsettled back to its queue. Idempotent. */
  close(): Promise<void>;
  /** Rejects when the subscription ended for good by itself (its queue is gone, say); never resolves before `close`. */
  readonly ended: Promise<void>;
}

/** A running consumer. */
export interface QueueSubscription extends Subscription {
  /**
   * `settled` once the broker has taken every settlement made before this call, so that none of those messages
   * is delivered again while the broker lives; `lost` when the line went and some of them may be. May be called
   * after `stop`, not after `close`.
   */
  synchronise(): Promise<Settlement>;
}

export interface TapOptions {
  /** Where copies come from. At least one; missing exchanges reject with `exchange-missing`. */
  readonly bindings: readonly Omit<BindingSpec, 'queue'>[];
  /** Copies kept for a slow reader before the oldest are dropped (reported as a gap). Default 10,000. */
  readonly bufferLimit?: number;
}

/** Copies may be missing: `lost` while cut off from the broker, `overflow` because the reader was too slow. */
export interface TapGap {
  readonly reason: 'lost' | 'overflow';
}

export interface TapHandlers {
  /** Called one at a time; a returned promise holds the next one back. */
  onMessage(message: ReceivedMessage): void | Promise<void>;
  /** Called in stream order, before the first message after the gap. */
  onGap(gap: TapGap): void;
}

export interface BrowseOptions {
  /** Messages at most, from the head of the queue. Default: all that are ready. */
  readonly limit?: number;
}

export interface QueueCounts {
  /** Ready messages: not in anybody's hands. */
  readonly ready: number;
  readonly consumers: number;
}

/** A queue as the broker describes it. */
export type QueueDescription = QueueSpec &
  QueueCounts & {
    /**
     * It gives a message up that was handed back more often than this, whoever set it: argument, policy or the broker's
     * default. Absent: never.
     */
    readonly deliveryLimit?: number;
  };

/** Everything the broker holds, or why it will not tell. */
export type Survey =
  | {
      readonly state: 'known';
      /** Without the default exchange; the broker's predeclared ones may be among them. */
      readonly exchanges: readonly ExchangeSpec[];
      readonly queues: readonly QueueDescription[];
      /** From exchanges to queues, without those of the default exchange. */
      readonly bindings: readonly BindingSpec[];
    }
  | { readonly state: 'unknown'; readonly reason: string };

export interface Transport {
  /** URL scheme: `embedded`, `amqp`, `amqps`. */
  readonly scheme: string;
  /** The address without secrets, fit for printing. */
  readonly address: string;
  readonly features: TransportFeatures;

  /** Reaches the broker, or rejects with `unreachable` or `access-refused`. Calling it is optional. */
  open(): Promise<void>;

  /**
   * Names this broker under this address, for records that outlive the connection: the same from every folder and for
   * every user, another one where another broker answers at the same address. Without secrets.
   */
  identity(): Promise<string>;

  /** Looks, changes nothing. What the broker will not tell comes back as `unknown`. */
  inspect(topology: Topology): Promise<TopologyObservation>;

  /**
   * Everything there is: exchanges, queues with their counts, bindings. Changes nothing. `unknown`, with the reason,
   * where the broker has nobody to ask (RabbitMQ without its management API). Counts may be some seconds old.
   */
  survey(): Promise<Survey>;

  /**
   * Creates what is missing, exchanges first and bindings last; resolved means all of it exists.
   * Idempotent, and safe beside another `apply`. An entity that exists with other attributes rejects with
   * `topology-conflict`: embedded then changed nothing, a remote broker may have created what came before.
   * What is declared here is declared again after a reconnect only if the broker lost it (not durable).
   */
  apply(topology: Topology): Promise<void>;

  /** Deletes queues and exchanges by name, with their messages and bindings. Missing ones are skipped. */
  remove(names: {
    readonly queues?: readonly string[];
    readonly exchanges?: readonly string[];
  }): Promise<void>;

  /**
   * Resolved: the broker has taken responsibility (on disk for a persistent message in a durable queue),
   * and every bound queue has its copy. Waits while too much is in flight; order of calls is order of
   * arrival. Rejects with `unroutable` (mandatory, and no queue is bound), `exchange-missing`,
   * `publish-refused`, or `publish-unknown` when the connection went before the confirm: then, and only
   * then, the message may or may not have arrived, and publishing it again may double it.
   */
  publish(message: OutgoingMessage): Promise<void>;

  /**
   * Calls `onDelivery` for each delivery, up to `prefetch` unsettled at a time, and reopens itself after a
   * lost connection, a closed channel or a cancel by the broker. Rejects with `queue-missing` or
   * `queue-locked`. `onDelivery` must not throw; what it does with the delivery is its own affair.
   */
  consume(
    queue: string,
    options: ConsumeOptions,
    onDelivery: (delivery: Delivery) => void,
  ): Promise<QueueSubscription>;

  /** Copies of what is published from now on, in a bounded queue of its own that vanishes with it. */
  tap(options: TapOptions, handlers: TapHandlers): Promise<Subscription>;

  /** The ready messages of a queue in order, left where they are. Rejects with `queue-missing`. */
  browse(queue: string, options?: BrowseOptions): AsyncIterable<ReceivedMessage>;

  /** Depth and consumers of a queue, or undefined when it does not exist. */
  counts(queue: string): Promise<QueueCounts | undefined>;

  /** Waits for publishes in flight, closes every subscription, frees everything. Idempotent. */
  close(): Promise<void>;
}

/** What every transport factory takes. Times in milliseconds. */
export interface TransportOptions {
  /** Budget of the first connect, tries included. Default 10,000. */
  readonly startTimeoutMs?: number;
  /** How long a call waits for a reconnect before it rejects with `unreachable`. Default 30,000. */
  readonly reconnectTimeoutMs?: number;
  /** Publishes allowed in flight, by number and by body bytes. Defaults 1,000 and 64 MiB. */
  readonly maxInFlight?: number;
  readonly maxInFlightBytes?: number;
  /** Told what the transport does by itself. Must not throw. */
  readonly onNotice?: (notice: TransportNotice) => void;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
}
