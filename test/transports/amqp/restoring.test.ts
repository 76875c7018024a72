/** What does not outlive its connection is declared again; unless somebody else was quicker, and then it is told. */
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { EMPTY_TOPOLOGY, queue, type Topology } from '../../../src/core/topology/model.js';
import { eventually, within } from '../../await.js';
import { rabbitInstalled, type SharedRabbit, sharedRabbit } from '../../brokers/shared.js';
import { open, openRaw, openThroughProxy, toQueue, unique } from './stage.js';

describe.skipIf(!rabbitInstalled)('an exclusive queue after a reconnect to RabbitMQ', () => {
  let broker: SharedRabbit;
  beforeAll(async () => {
    broker = await sharedRabbit();
  });

  /** A transport that holds `lock`, and whose connection went; the name was taken by another before it came back. */
  async function overtaken(reconnectTimeoutMs: number, topology: (lock: string) => Topology = locking) {
    const { transport, notices, proxy } = await openThroughProxy(broker.url, { reconnectTimeoutMs });
    const lock = unique('lock');
    await transport.apply(topology(lock));
    const subscription = await transport.consume(lock, {}, () => {});
    proxy.refuse();
    proxy.cut();
    const rival = await openRaw(broker.url);
    await eventually('the rival has the name', async () => {
      const channel = await rival.createChannel();
      channel.on('error', () => {}); // still locked by the connection that was cut
      await channel.assertQueue(lock, { exclusive: true, durable: false });
      return true;
    });
    proxy.accept();
    await eventually('restored', () => notices.some(({ kind }) => kind === 'restored'));
    return { transport, notices, lock, rival, subscription };
  }

  it('is told as not restored when another connection keeps its name, and its consumer ends', async () => {
    const { transport, notices, lock, subscription } = await overtaken(1_500);
    const untold = () => notices.filter(({ kind }) => kind === 'not-restored');
    await expect(within('the end', subscription.ended)).rejects.toMatchObject({ code: 'queue-locked' });
    await eventually('it is told', () => untold().length > 0);
    expect(untold()).toEqual([
      { kind: 'not-restored', entity: `queue "${lock}"`, cause: expect.stringContaining('RESOURCE_LOCKED') },
    ]);
    // Whoever needs the lock asks for it again, and is told at once.
    await expect(transport.apply(locking(lock))).rejects.toMatchObject({ code: 'queue-locked' });
  });

  it('is declared and bound again once its name is free, as after a line that went silently', async () => {
    const exchange = unique('exchange');
    const { transport, notices, lock, rival } = await overtaken(30_000, (name) => ({
      ...locking(name),
      exchanges: [{ name: exchange, type: 'topic', durable: true, autoDelete: false, arguments: {} }],
      bindings: [{ exchange, queue: name, key: 'k' }],
    }));
    onTestFinished(() => transport.remove({ exchanges: [exchange] }));
    await rival.close();
    const publisher = open(broker.url).transport;
    await eventually('it is bound', () =>
      publisher.publish({ ...toQueue('k', 'x'), exchange }).then(() => true),
    );
    await expect(publisher.apply(locking(lock))).rejects.toMatchObject({ code: 'queue-locked' });
    expect(notices.filter(({ kind }) => kind === 'not-restored')).toEqual([]);
  });

  it('that meanwhile exists with other attributes is told as not restored, with what differs', async () => {
    const { transport, notices, proxy } = await openThroughProxy(broker.url);
    const name = unique('queue');
    await transport.apply({
      ...EMPTY_TOPOLOGY,
      queues: [queue(name, {}, { durable: false, autoDelete: true })],
    });
    proxy.refuse();
    proxy.cut();
    const other = open(broker.url).transport;
    await other.remove({ queues: [name] });
    await other.apply({ ...EMPTY_TOPOLOGY, queues: [queue(name)] });
    onTestFinished(() => other.remove({ queues: [name] }));
    proxy.accept();
    await eventually('it is told', () => notices.some(({ kind }) => kind === 'not-restored'));
    expect(notices).toContainEqual({
      kind: 'not-restored',
      entity: `queue "${name}"`,
      cause: expect.stringContaining("inequivalent arg 'durable'"),
    });
  });
});

function locking(lock: string): Topology {
  return {
    ...EMPTY_TOPOLOGY,
    queues: [queue(lock, {}, { durable: false, exclusive: true })],
  };
}
