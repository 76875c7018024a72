/**
 * Who listens: the tracer and the instruments of the SDK that the service registered with the OpenTelemetry API, or
 * nobody. Asked for every event, because an SDK may be registered at any time, and because the API's metrics, unlike
 * its traces, do not pass on to an SDK that comes later. Asking costs 10 ns for each of the two.
 */
import {
  type Counter,
  createNoopMeter,
  type Histogram,
  type Meter,
  metrics,
  ProxyTracerProvider,
  type Tracer,
  type TracerProvider,
  trace,
  type UpDownCounter,
} from '@opentelemetry/api';

/** Names the instrumentation to those who listen. */
const SCOPE = 'atma-events';

/** What the API answers with while no SDK is registered. */
const NOBODY: TracerProvider = new ProxyTracerProvider().getDelegate();
const NO_METER = createNoopMeter();

let tracerProvider: TracerProvider = NOBODY;
let tracer: Tracer | undefined;

/** The service's tracer, or undefined while it has registered none. */
export function listeningTracer(): Tracer | undefined {
  const registered = trace.getTracerProvider();
  const provider = registered instanceof ProxyTracerProvider ? registered.getDelegate() : registered;
  if (provider !== tracerProvider) {
    tracerProvider = provider;
    tracer = provider === NOBODY ? undefined : provider.getTracer(SCOPE);
  }
  return tracer;
}

/** Everything that is measured. Names, units and bounds in docs/guides/observe.md. */
export interface Instruments {
  readonly sent: Counter;
  readonly operation: Histogram;
  readonly consumed: Counter;
  readonly processing: Histogram;
  readonly lag: Histogram;
  readonly redeliveries: Counter;
  readonly retries: Counter;
  readonly deadLetters: Counter;
  readonly circuit: UpDownCounter;
}

let meterProvider: unknown;
let instruments: Instruments | undefined;

/** The instruments of the service's meter, or undefined while it has registered none. */
export function listeningInstruments(): Instruments | undefined {
  const provider = metrics.getMeterProvider();
  if (provider !== meterProvider) {
    meterProvider = provider;
    const meter = provider.getMeter(SCOPE);
    instruments = meter === NO_METER ? undefined : instrumentsOf(meter);
  }
  return instruments;
}

/** Seconds. Those that the semantic conventions ask for. */
const DURATIONS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** Seconds: from an idle system's milliseconds to a queue that nobody has consumed for a day. */
const LAGS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400];

function instrumentsOf(meter: Meter): Instruments {
  const counter = (name: string, description: string) =>
    meter.createCounter(name, { unit: '{message}', description });
  const seconds = (name: string, description: string, explicitBucketBoundaries: number[]) =>
    meter.createHistogram(name, { unit: 's', description, advice: { explicitBucketBoundaries } });
  return {
    sent: counter('messaging.client.sent.messages', 'Events handed to the broker.'),
    operation: seconds(
      'messaging.client.operation.duration',
      "From the publish to the broker's confirm.",
      DURATIONS,
    ),
    consumed: counter('messaging.client.consumed.messages', 'Deliveries to consumers.'),
    processing: seconds('messaging.process.duration', 'Time in handlers.', DURATIONS),
    lag: seconds('atma_events.lag', "From an event's time to its delivery.", LAGS),
    redeliveries: counter('atma_events.redeliveries', 'Deliveries that the broker had made before.'),
    retries: counter('atma_events.retries', 'Failed attempts after which the event waits for another.'),
    deadLetters: counter('atma_events.dead_letters', 'Events that were given up.'),
    circuit: meter.createUpDownCounter('atma_events.circuit.state', {
      unit: '{consumer}',
      description: 'Consumers whose circuit is in the state of the attribute.',
    }),
  };
}
