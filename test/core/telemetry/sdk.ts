/** A real OpenTelemetry SDK that keeps everything in memory, registered as a service would. */
import { type Attributes, context, metrics, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';

export interface Measurement {
  readonly name: string;
  readonly unit: string;
  readonly attributes: Attributes;
  /** Of a counter its sum, of a histogram what was recorded. */
  readonly value: number | { readonly count: number; readonly sum: number };
}

export interface Sdk {
  /** Ended spans, in the order of their ends. */
  spans(): readonly ReadableSpan[];
  /** The only ended span of that name. */
  span(name: string): ReadableSpan;
  /** Everything measured so far under a name. */
  measured(name: string): Promise<readonly Measurement[]>;
  unregister(): Promise<void>;
}

export interface SdkParts {
  readonly traces?: boolean;
  readonly metrics?: boolean;
  readonly contexts?: boolean;
  readonly sampler?: Sampler;
}

export function registerSdk(parts: SdkParts = {}): Sdk {
  const { traces = true, metrics: measures = true, contexts = true, sampler } = parts;
  const spans = new InMemorySpanExporter();
  const tracers = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(spans)],
    ...(sampler && { sampler }),
  });
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meters = new MeterProvider({ readers: [reader] });
  if (contexts) context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  if (traces) trace.setGlobalTracerProvider(tracers);
  if (measures) metrics.setGlobalMeterProvider(meters);
  return {
    spans: () => spans.getFinishedSpans(),
    span(name) {
      const [found, ...more] = spans.getFinishedSpans().filter((span) => span.name === name);
      if (found === undefined || more.length > 0) {
        const names = spans.getFinishedSpans().map((span) => span.name);
        throw new Error(`not one span "${name}" among: ${names.join(', ')}`);
      }
      return found;
    },
    async measured(name) {
      await reader.forceFlush();
      const latest = exporter.getMetrics().at(-1);
      const found = latest?.scopeMetrics
        .filter(({ scope }) => scope.name === 'atma-events')
        .flatMap((scope) => scope.metrics)
        .filter(({ descriptor }) => descriptor.name === name);
      return (found ?? []).flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes, value }) => ({
          name,
          unit: descriptor.unit,
          attributes,
          value:
            typeof value === 'number'
              ? value
              : { count: value.count, sum: 'sum' in value ? (value.sum ?? 0) : 0 },
        })),
      );
    },
    async unregister() {
      context.disable();
      trace.disable();
      metrics.disable();
      await tracers.shutdown();
      await meters.shutdown();
    },
  };
}
