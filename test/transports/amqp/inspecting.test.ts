import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Topology } from '../../../src/core/topology/model.js';
import { rabbitInstalled, type SharedRabbit, sharedRabbit } from '../../brokers/shared.js';
import { open, openRaw, unique } from './stage.js';

describe.skipIf(!rabbitInstalled)('inspecting RabbitMQ', () => {
  let broker: SharedRabbit;
  beforeAll(async () => {
    broker = await sharedRabbit();
  });

  /** Over HTTP, and over AMQP alone. */
  const ways = [
    ['with the management API', () => ({ managementUrl: broker.managementUrl })],
    ['over AMQP alone', () => ({ managementUrl: 'http://127.0.0.1:9' })],
  ] as const;

  function topology(exchange: string, queue: string): Topology {
    return {
      exchanges: [{ name: exchange, type: 'topic', durable: true, autoDelete: false, arguments: {} }],
      queues: [
        {
          name: queue,
          durable: true,
          exclusive: false,
          autoDelete: false,
          arguments: { 'x-dead-letter-exchange': 'dlx', 'x-message-ttl': 5_000, 'x-max-length': 10 },
        },
      ],
      bindings: [{ exchange, queue, key: 'k' }],
    };
  }

  describe.each(ways)('%s', (_name, options) => {
    it('what is absent stays absent', async () => {
      const { transport } = open(broker.url, options());
      const wanted = topology(unique('exchange'), unique('queue'));
      const nothing = {
        exchanges: [{ state: 'absent' }],
        queues: [{ state: 'absent' }],
        bindings: [{ state: 'absent' }],
      };
      expect(await transport.inspect(wanted)).toEqual(nothing);
      expect(await transport.inspect(wanted)).toEqual(nothing);
      expect(await transport.counts(wanted.queues[0]?.name ?? '')).toBeUndefined();
    });

    it('every difference is named with both values', async () => {
      const { transport } = open(broker.url, options());
      const [exchange, queue] = [unique('exchange'), unique('queue')];
      const raw = await (await openRaw(broker.url)).createChannel();
      await raw.assertExchange(exchange, 'direct', { durable: false, autoDelete: true });
      await raw.assertQueue(queue, {
        durable: true,
        arguments: { 'x-message-ttl': 60_000, 'x-max-length': 10 },
      });
      onTestFinished(() => transport.remove({ exchanges: [exchange], queues: [queue] }));
      const seen = await transport.inspect(topology(exchange, queue));
      const differences = (observation: unknown) =>
        (observation as { differences: { attribute: string }[] }).differences.toSorted((a, b) =>
          a.attribute.localeCompare(b.attribute),
        );
      expect(differences(seen.exchanges[0])).toEqual([
        { attribute: 'autoDelete', desired: false, actual: true },
        { attribute: 'durable', desired: true, actual: false },
        { attribute: 'type', desired: 'topic', actual: 'direct' },
      ]);
      expect(differences(seen.queues[0])).toEqual([
        { attribute: 'x-dead-letter-exchange', desired: 'dlx', actual: undefined },
        { attribute: 'x-message-ttl', desired: 5_000, actual: 60_000 },
      ]);
    });

    it('what was applied is as declared, and applying it again changes nothing', async () => {
      const { transport } = open(broker.url, options());
      const [exchange, queue] = [unique('exchange'), unique('queue')];
      const wanted = topology(exchange, queue);
      await Promise.all([transport.apply(wanted), transport.apply(wanted)]);
      onTestFinished(() => transport.remove({ exchanges: [exchange], queues: [queue] }));
      await transport.apply(wanted);
      const seen = await transport.inspect(wanted);
      expect(seen.exchanges).toEqual([{ state: 'present', differences: [] }]);
      expect(seen.queues).toEqual([{ state: 'present', differences: [] }]);
    });
  });

  it('bindings are known with the management API, and unknown with a reason without', async () => {
    const [exchange, queue] = [unique('exchange'), unique('queue')];
    const wanted = topology(exchange, queue);
    const both = { ...wanted, bindings: [...wanted.bindings, { exchange, queue, key: 'other' }] };
    const known = open(broker.url, { managementUrl: broker.managementUrl }).transport;
    await known.apply(wanted);
    onTestFinished(() => known.remove({ exchanges: [exchange], queues: [queue] }));
    expect((await known.inspect(both)).bindings).toEqual([
      { state: 'present', differences: [] },
      { state: 'absent' },
    ]);
    const blind = open(broker.url, { managementUrl: 'http://127.0.0.1:9' }).transport;
    expect((await blind.inspect(wanted)).bindings).toEqual([
      { state: 'unknown', reason: expect.stringContaining('cannot be reached') },
    ]);
  });

  it('the management API is found by itself', async () => {
    const { transport } = open(broker.url);
    const [exchange, queue] = [unique('exchange'), unique('queue')];
    const wanted = topology(exchange, queue);
    await transport.apply(wanted);
    onTestFinished(() => transport.remove({ exchanges: [exchange], queues: [queue] }));
    expect((await transport.inspect(wanted)).bindings).toEqual([{ state: 'present', differences: [] }]);
  });

  it('a conflict names the entity, the attribute and both values', async () => {
    const { transport } = open(broker.url);
    const [exchange, queue] = [unique('exchange'), unique('queue')];
    const raw = await (await openRaw(broker.url)).createChannel();
    await raw.assertQueue(queue, {
      arguments: { 'x-dead-letter-exchange': 'dlx', 'x-message-ttl': 1, 'x-max-length': 10 },
    });
    onTestFinished(() => transport.remove({ exchanges: [exchange], queues: [queue] }));
    await expect(transport.apply(topology(exchange, queue))).rejects.toMatchObject({
      code: 'topology-conflict',
      message: `queue "${queue}" exists with other attributes: x-message-ttl is 1, expected 5000`,
    });
  });
});
