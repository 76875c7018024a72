import { describe, expect, it } from 'vitest';
import type { Envelope } from '../../../src/core/events/envelope.js';
import { consumerTelemetry } from '../../../src/core/telemetry.js';
import { registerSdk } from './sdk.js';

const envelope: Envelope = {
  id: 'e1',
  type: 'analysis.completed',
  version: 1,
  time: '2026-01-01T00:00:00.000Z',
  data: {},
};
const telemetryOf = () => consumerTelemetry({ queue: 'q', system: 'rabbitmq', consumer: 'notifier' });

const QUEUE = { 'messaging.system': 'rabbitmq', 'messaging.destination.name': 'q' };

describe('the state of the circuit', () => {
  const IN = (state: string, value: number) =>
    expect.objectContaining({
      unit: '{consumer}',
      attributes: { ...QUEUE, 'atma_events.circuit.state': state },
      value,
    });

  it('is the number of consumers in each state, from the start of the consumer to its end', async () => {
    const sdk = registerSdk();
    try {
      const telemetry = telemetryOf();
      const other = telemetryOf();
      expect(await sdk.measured('atma_events.circuit.state')).toEqual([IN('closed', 2)]);
      telemetry.circuit('open');
      expect(await sdk.measured('atma_events.circuit.state')).toEqual([IN('closed', 1), IN('open', 1)]);
      telemetry.circuit('half-open');
      telemetry.close();
      telemetry.close();
      telemetry.circuit('closed');
      other.delivered(envelope, false);
      expect(await sdk.measured('atma_events.circuit.state')).toEqual([
        IN('closed', 1),
        IN('open', 0),
        IN('half-open', 0),
      ]);
    } finally {
      await sdk.unregister();
    }
  });

  it('is known to an SDK that is registered after the circuit opened', async () => {
    const telemetry = telemetryOf();
    telemetry.circuit('open');
    const sdk = registerSdk();
    try {
      telemetry.processed(1, 'done');
      expect(await sdk.measured('atma_events.circuit.state')).toEqual([IN('open', 1)]);
    } finally {
      await sdk.unregister();
    }
  });
});
