/** What metrics say of events that were given up, and of a consumer that did not start. */
import { afterEach, beforeEach, expect } from 'vitest';
import { PermanentError } from '../../../src/index.js';
import { onBothBrokers } from '../consuming/stage.js';
import { registerSdk, type Sdk } from './sdk.js';

onBothBrokers('a consumer under OpenTelemetry', (test, stage) => {
  let sdk: Sdk;
  beforeEach(() => {
    sdk = registerSdk({ traces: false });
  });
  afterEach(() => sdk.unregister());

  test('counts each dead letter with the reason of its failure record', async () => {
    const { bus, names, options, send, dead } = await stage();
    await bus.consume(
      names.queue,
      {
        'order.paid'({ data }) {
          throw data.order === 'permanent' ? new PermanentError('never') : new TypeError('not now');
        },
      },
      options({ retry: { delaysMs: [20] } }),
    );
    await send('{"order":"permanent"}');
    await send('{"order":"exhausted"}');
    await send('{"no":"order"}');
    await send('{"order":"A"}', { type: 'order.sent' });
    await dead(4);
    const counted = (await sdk.measured('atma_events.dead_letters')).map(({ attributes, value }) => [
      attributes['atma_events.failure.reason'],
      attributes['error.type'],
      attributes['atma_events.event.type'],
      value,
    ]);
    expect(counted.sort()).toEqual([
      ['exhausted', 'TypeError', 'order.paid', 1],
      ['invalid', 'invalid', undefined, 1],
      ['no-handler', 'no-handler', 'order.sent', 1],
      ['permanent', 'PermanentError', 'order.paid', 1],
    ]);
  });

  test('with options out of their range nothing is declared, and nothing is counted', async () => {
    const { bus, names, options } = await stage();
    for (const wrong of [{ circuit: { threshold: 2 } }, { circuit: { window: 0 } }, { prefetch: 0 }]) {
      await expect(bus.consume(names.queue, {}, options(wrong))).rejects.toMatchObject({ code: 'usage' });
    }
    expect(await bus.transport.counts(`${names.queue}.retry.20`)).toBeUndefined();
    const running = (await sdk.measured('atma_events.circuit.state')).map(({ value }) => value);
    expect(running.every((value) => value === 0)).toBe(true);
  });
});
