/** What `bus.consume` takes beside the handlers. */
import { EventsError } from '../errors.js';
import type { Envelope } from '../events/envelope.js';
import type { ReceivedMessage } from '../message.js';
import { type CircuitOptions, circuitDefaults } from './circuit-options.js';
import type { DeadLetterOptions } from './dead-letter-route.js';
import type { FailureRecord } from './failure-record.js';
import type { IdempotencyStore } from './idempotency.js';
import type { RetryOptions } from './ladder.js';
import type { Trouble } from './trouble.js';

export interface ConsumerOptions {
  /** Unsettled deliveries allowed, 1 to 65535. Default 100. */
  readonly prefetch?: number;
  /** Handlers that run at the same time, from 1. Default: as many as `prefetch`. */
  readonly concurrency?: number;
  /**
   * Events with the same key are handled one after another, in the order of their arrival; undefined: in no order.
   * A failed event is then tried again in place, so that none of its key overtakes it. Default: no order.
   */
  readonly orderBy?: (event: Envelope) => string | undefined;
  /** How failed events are tried again. `false`: not at all, a failure is a dead letter. Default: see `RetryOptions`. */
  readonly retry?: RetryOptions | false;
  /**
   * Where dead letters go. Default: to the dead-letter exchange that the topology gives the queue; without one to the
   * queue `<queue>_dlq`, which is declared when it does not exist.
   */
  readonly deadLetter?: DeadLetterOptions;
  /** Told in failure records and claims, and whose effects `context.effect` keeps. Default: the bus's `source`, else `consumer`. */
  readonly consumerName?: string;
  /** For `context.once` and `context.effect`, and for records of what was decided about deliveries. Not closed with the consumer. */
  readonly idempotency?: IdempotencyStore;
  /** When to stop taking deliveries because handlers keep failing. `false`: never. Default: see `CircuitOptions`. */
  readonly circuit?: CircuitOptions | false;
  /** Milliseconds in hand after which a delivery is told of as overdue. Default 24 min, 80 % of RabbitMQ's limit. */
  readonly overdueAfterMs?: number;
  /** Told of what the consumer cannot solve by itself. Must not throw. `connect()` makes it a process warning. */
  readonly onTrouble?: (trouble: Trouble) => void;
  /** Told of each dead letter once it is where it belongs. Must not throw. `connect()` makes it a process warning. */
  readonly onDeadLetter?: (record: FailureRecord, message: ReceivedMessage) => void;
  /** 0 to 1, for the jitter of delays. Default `Math.random`. */
  readonly random?: () => number;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
}

/** The options with their defaults. Throws `usage` on a number out of its range, before anything is declared. */
export function withDefaults(options: ConsumerOptions) {
  const { prefetch = 100, concurrency = prefetch, overdueAfterMs = 24 * 60_000, circuit = {} } = options;
  if (!Number.isInteger(prefetch) || prefetch < 1 || prefetch > 65_535) {
    throw new EventsError('usage', `prefetch must be 1 to 65535, got ${prefetch}`);
  }
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new EventsError('usage', `concurrency must be a whole number from 1, got ${concurrency}`);
  }
  if (!(overdueAfterMs > 0)) {
    throw new EventsError('usage', `overdueAfterMs must be above 0, got ${overdueAfterMs}`);
  }
  return {
    ...options,
    prefetch,
    concurrency,
    overdueAfterMs,
    retry: options.retry ?? {},
    circuit: circuit === false ? circuit : circuitDefaults(circuit),
    consumerName: options.consumerName ?? 'consumer',
    onTrouble: options.onTrouble ?? (() => {}),
    random: options.random ?? Math.random,
    now: options.now ?? Date.now,
  };
}
