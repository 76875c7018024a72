/** The event that all sides send: ATMA's analysis.completed, about 343 bytes as JSON. */
import { randomUUID } from 'node:crypto';

export const TYPE = 'analysis.completed';
export const EXCHANGE = 'atma_events_exchange';
/** Queues of the measurements; the second one only where two are bound. */
export const QUEUES = ['bench_events', 'bench_events_too'];

/** Data of `count` different events. */
export function eventData(count) {
  return Array.from({ length: count }, () => ({
    jobId: randomUUID(),
    userId: randomUUID(),
    userEmail: 'user@example.com',
    resultId: randomUUID(),
    metadata: { assessmentName: 'AI-Driven Talent Mapping', processingTime: 5000, retryCount: 0 },
  }));
}

/** The same event as bytes and properties, as `encode` of the core makes them. */
export function wireMessage(data, time) {
  return {
    body: Buffer.from(JSON.stringify({ eventType: TYPE, timestamp: time.toISOString(), ...data })),
    properties: {
      contentType: 'application/json',
      deliveryMode: 2,
      messageId: `${data.jobId}-${TYPE}-${time.getTime()}`,
      timestamp: Math.floor(time.getTime() / 1000),
      type: TYPE,
      headers: {},
    },
  };
}

/** Topology with the first `queues` of `QUEUES` bound, for `connect({ catalog, topology })`. */
export function benchTopology(queues) {
  const names = QUEUES.slice(0, queues);
  return {
    exchanges: [{ name: EXCHANGE, type: 'topic', durable: true, autoDelete: false, arguments: {} }],
    queues: names.map((name) => ({
      name,
      durable: true,
      exclusive: false,
      autoDelete: false,
      arguments: {},
    })),
    bindings: names.map((queue) => ({ exchange: EXCHANGE, queue, key: TYPE })),
  };
}
