/**
 * What services can see of their events through OpenTelemetry: docs/guides/observe.md. Names follow the semantic
 * conventions for messaging (https://opentelemetry.io/docs/specs/semconv/messaging/, version 1.44, in development);
 * what those do not know is under `atma_events.`.
 *
 * Nothing is measured, created or propagated unless the service has registered an SDK: this module asks for it
 * event by event (`telemetry/listeners.ts`), 25 ns for a publish and for a delivery.
 */
import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  trace,
} from '@opentelemetry/api';
import type { CircuitState } from './consuming/circuit.js';
import type { FailureReason } from './consuming/failure-record.js';
import type { Envelope } from './events/envelope.js';
import type { ReceivedMessage } from './message.js';
import { destinationOf, errorType, messageAttributes, withType } from './telemetry/attributes.js';
import { type Instruments, listeningInstruments, listeningTracer } from './telemetry/listeners.js';
import { endSpan, runInSpan } from './telemetry/spans.js';
import { spanContextOf, withSpanContext } from './telemetry/trace-context.js';

/** `messaging.system` of a transport, by its URL scheme. */
export function messagingSystem(scheme: string): string {
  if (scheme === 'amqp' || scheme === 'amqps') return 'rabbitmq';
  return scheme === 'embedded' ? 'atma_embedded' : scheme;
}

export interface PublisherTelemetryOptions {
  /** `messaging.system`. */
  readonly system: string;
  /** Milliseconds, monotonic. Default `performance.now`. */
  readonly now?: () => number;
}

/** One publish that somebody watches. */
export interface WatchedPublish {
  /** What is to be sent: the envelope, with this publish's span as its trace context unless the caller gave one. */
  readonly envelope: Envelope;
  /** The broker has confirmed it, or the publish failed with this error. */
  ended(error?: unknown): void;
  /** It never came to a publish. */
  notSent(error: unknown): void;
}

export interface PublisherTelemetry {
  /**
   * Begins to watch the publish of a valid event. Undefined while nobody listens. `givenContext`: the trace context
   * of the envelope, if it has one, is the caller's choice and left alone.
   */
  publishing(
    envelope: Envelope,
    exchange: string,
    routingKey: string,
    givenContext: boolean,
  ): WatchedPublish | undefined;
}

/** Telemetry of one publisher. */
export function publisherTelemetry({
  system,
  now = monotonic,
}: PublisherTelemetryOptions): PublisherTelemetry {
  return {
    publishing(envelope, exchange, routingKey, givenContext) {
      const instruments = listeningInstruments();
      const tracer = listeningTracer();
      const active = context.active();
      // A context without a tracer: the service passes traces on and makes none.
      if (instruments === undefined && tracer === undefined && active === ROOT_CONTEXT) return undefined;

      const attributes: Attributes = {
        'messaging.system': system,
        'messaging.operation.name': 'publish',
        'messaging.operation.type': 'send',
        'messaging.destination.name': destinationOf(exchange, routingKey),
        'atma_events.event.type': envelope.type,
      };
      const startedAt = now();
      const given = givenContext ? spanContextOf(envelope) : undefined;
      // The conventions' kinds: a PRODUCER is what consumers refer to, a CLIENT only carries what another one made.
      const span = tracer?.startSpan(
        `publish ${destinationOf(exchange, routingKey)}`,
        {
          kind: given === undefined ? SpanKind.PRODUCER : SpanKind.CLIENT,
          attributes: { ...attributes, ...messageAttributes(system, envelope, routingKey) },
          links: given === undefined ? [] : [{ context: given }],
        },
        parentOf(active, envelope),
      );
      const own = span?.spanContext() ?? trace.getSpanContext(active);
      return {
        envelope: given === undefined ? withSpanContext(envelope, own) : envelope,
        ended(error) {
          if (span !== undefined) endSpan(span, error);
          if (instruments === undefined) return;
          const measured =
            error === undefined ? attributes : { ...attributes, 'error.type': errorType(error) };
          instruments.sent.add(1, measured);
          instruments.operation.record((now() - startedAt) / 1000, measured);
        },
        notSent(error) {
          if (span !== undefined) endSpan(span, error);
        },
      };
    },
  };
}

export interface ConsumerTelemetryOptions {
  readonly queue: string;
  /** `messaging.system`. */
  readonly system: string;
  /** Name of the consumer, sent as `messaging.client.id` of spans. */
  readonly consumer: string;
  /** Milliseconds since 1970, for the lag. Default `Date.now`. */
  readonly now?: () => number;
}

/** What became of a delivery. */
export type ProcessingOutcome = 'done' | 'retry' | 'dead';

export interface ConsumerTelemetry {
  /** A delivery has arrived. `envelope`: undefined where it holds no valid event of the catalog. */
  delivered(envelope: Envelope | undefined, redelivered: boolean): void;
  /**
   * Calls the handler in a span of its own, a child of the one that published the event, so that what the handler
   * calls and publishes is traced as its child. Gives back what the handler gave, or throws what it threw.
   */
  run<T>(envelope: Envelope, message: Pick<ReceivedMessage, 'routingKey'>, fn: () => T): T;
  /**
   * The handler is done with an event, or it was given up without having run (`ms` undefined). `about`: the type of
   * a valid event, what went wrong, and of a dead letter the reason that its failure record gives.
   */
  processed(
    ms: number | undefined,
    outcome: ProcessingOutcome,
    about?: { readonly type?: string; readonly error?: unknown; readonly reason?: FailureReason },
  ): void;
  /** The circuit has come to this state. It begins closed. */
  circuit(state: CircuitState): void;
  /** The consumer is gone: its circuit no longer counts. Idempotent. */
  close(): void;
}

/** Telemetry of one consumer. */
export function consumerTelemetry(options: ConsumerTelemetryOptions): ConsumerTelemetry {
  const { queue, system, consumer, now = Date.now } = options;
  const common: Attributes = { 'messaging.system': system, 'messaging.destination.name': queue };
  const delivery: Attributes = { ...common, 'messaging.operation.name': 'consume' };
  const processing: Attributes = {
    ...common,
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
  };
  const spanName = `process ${queue}`;
  let state: CircuitState | undefined = 'closed';
  /** Those that know of the circuit's state. */
  let informed: Instruments | undefined;

  const countCircuit = (change: 1 | -1) => {
    if (state !== undefined) informed?.circuit.add(change, { ...common, 'atma_events.circuit.state': state });
  };

  const listening = (): Instruments | undefined => {
    const instruments = listeningInstruments();
    if (instruments !== informed) {
      informed = instruments;
      countCircuit(1);
    }
    return instruments;
  };
  listening();

  return {
    delivered(envelope, redelivered) {
      const instruments = listening();
      if (instruments === undefined) return;
      const attributes = withType(delivery, envelope?.type);
      instruments.consumed.add(1, attributes);
      if (redelivered) instruments.redeliveries.add(1, attributes);
      const lagMs = envelope === undefined ? Number.NaN : now() - Date.parse(envelope.time);
      // Clocks of two machines differ: an event from the future has no lag.
      if (!Number.isNaN(lagMs)) instruments.lag.record(Math.max(0, lagMs) / 1000, attributes);
    },

    run(envelope, message, fn) {
      const tracer = listeningTracer();
      if (tracer === undefined) return fn();
      const publisher = spanContextOf(envelope);
      // Not the active context: that is the one in which the consumer was started, which has nothing to do with it.
      const parent = publisher === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, publisher);
      const span = tracer.startSpan(
        spanName,
        {
          kind: SpanKind.CONSUMER,
          attributes: {
            ...withType(processing, envelope.type),
            ...messageAttributes(system, envelope, message.routingKey),
            'messaging.client.id': consumer,
          },
          // The conventions ask for the link, whether or not it is the parent, too.
          links: publisher === undefined ? [] : [{ context: publisher }],
        },
        parent,
      );
      return runInSpan(span, parent, fn);
    },

    processed(ms, outcome, about) {
      const instruments = listening();
      if (instruments === undefined) return;
      // Refused before it came to a handler, it has no exception: the reason is all there is to say.
      const error = () => (about?.error === undefined && about?.reason) || errorType(about?.error);
      const failure = outcome === 'done' ? undefined : { 'error.type': error() };
      const of = (base: Attributes): Attributes => ({ ...withType(base, about?.type), ...failure });
      if (ms !== undefined) instruments.processing.record(ms / 1000, of(processing));
      if (outcome === 'retry') instruments.retries.add(1, of(common));
      if (outcome === 'dead') {
        const reason = about?.reason && { 'atma_events.failure.reason': about.reason };
        instruments.deadLetters.add(1, { ...of(common), ...reason });
      }
    },

    circuit(next) {
      if (state === undefined) return;
      listening();
      countCircuit(-1);
      state = next;
      countCircuit(1);
    },

    close() {
      listening();
      countCircuit(-1);
      state = undefined;
    },
  };
}

const monotonic = () => performance.now();

/** The active span, else the one that caused the event. */
function parentOf(active: Context, envelope: Envelope): Context {
  const span = trace.getSpanContext(active);
  if (span !== undefined && isSpanContextValid(span)) return active;
  const cause = spanContextOf(envelope);
  return cause === undefined ? active : trace.setSpanContext(active, cause);
}
