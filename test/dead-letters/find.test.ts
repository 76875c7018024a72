import { describe, expect, it } from 'vitest';
import { EMPTY_TOPOLOGY, type QueueSpec, queue } from '../../src/core/topology/model.js';
import type { Survey, Transport } from '../../src/core/transport.js';
import { findDeliveryLimits, findQueues, requireQueue } from '../../src/dead-letters/find.js';

/** A broker with these queues, that tells about them or does not. */
function broker(queues: QueueSpec[], tells: boolean): Pick<Transport, 'survey' | 'counts' | 'address'> {
  const known = queues.map((spec) => ({ ...spec, ready: spec.name.length, consumers: 0 }));
  const survey: Survey = tells
    ? { state: 'known', exchanges: [], queues: known, bindings: [] }
    : { state: 'unknown', reason: 'nobody to ask' };
  return {
    address: 'a broker',
    survey: async () => survey,
    counts: async (name) => known.find((each) => each.name === name),
  };
}

const work = queue('work', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'attic' });
const delay = (name: string, ms: number) =>
  queue(name, { 'x-message-ttl': ms, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'work' });
const names = (queues: readonly { readonly name: string }[]) => queues.map(({ name }) => name);

describe('finding dead-letter queues', () => {
  it('asks the broker: all that are there, by name, those of the settings included', async () => {
    const queues = [work, queue('z_dlq'), queue('attic'), queue('foreign'), queue('plain')];
    const found = await findQueues(broker(queues, true), {
      topology: EMPTY_TOPOLOGY,
      deadLetterQueues: ['foreign', 'not-there'],
    });
    expect(names(found.deadLetterQueues)).toEqual(['attic', 'foreign', 'z_dlq']);
    expect(found.incomplete).toBeUndefined();
  });

  it('knows those of the topology and of the settings where the broker does not tell, and says that it may be few', async () => {
    const found = await findQueues(broker([queue('attic'), queue('foreign'), queue('other_dlq')], false), {
      topology: { ...EMPTY_TOPOLOGY, queues: [work, queue('attic'), queue('missing_dlq')] },
      deadLetterQueues: ['foreign', 'not-there'],
    });
    expect(names(found.deadLetterQueues)).toEqual(['attic', 'foreign']);
    expect(found.incomplete).toBe('nobody to ask');
  });

  it('tells after how many deliveries a queue gives a message up', async () => {
    const limited = { ...queue('a_dlq'), deliveryLimit: 5 };
    const transport = broker([limited, queue('b_dlq')], true);
    const found = await findQueues(transport, { topology: EMPTY_TOPOLOGY });
    expect(found.deadLetterQueues).toEqual([{ name: 'a_dlq', deliveryLimit: 5 }, { name: 'b_dlq' }]);
    const limits = await findDeliveryLimits(transport);
    expect(['a_dlq', 'b_dlq', 'none'].map(limits)).toEqual([5, undefined, 'unknown']);
  });

  it('does not take a queue for one without a limit where the broker does not tell, whatever is declared', async () => {
    const transport = broker([queue('a_dlq')], false);
    const known = { topology: { ...EMPTY_TOPOLOGY, queues: [queue('a_dlq')] } };
    const found = await findQueues(transport, known);
    expect(found.deadLetterQueues).toEqual([{ name: 'a_dlq', deliveryLimit: 'unknown' }]);
    expect((await findDeliveryLimits(transport))('a_dlq')).toBe('unknown');
  });

  it('finds delay queues by queue and delay, but not what is only named like one', async () => {
    const queues = [
      work,
      delay('work.retry.30000', 30_000),
      delay('work.retry.5000', 5_000),
      queue('work.retry.7'),
      delay('gone.retry.5000', 5_000),
    ];
    const { delayQueues } = await findQueues(broker(queues, true), { topology: EMPTY_TOPOLOGY });
    expect(delayQueues).toEqual([
      { name: 'work.retry.5000', queue: 'work', delayMs: 5_000, ready: 15 },
      { name: 'work.retry.30000', queue: 'work', delayMs: 30_000, ready: 16 },
    ]);
  });

  it('looks for the default ladder of the queues it knows where the broker does not tell', async () => {
    const queues = [work, delay('work.retry.5000', 5_000), delay('work.retry.7', 7)];
    const { delayQueues } = await findQueues(broker(queues, false), {
      topology: { ...EMPTY_TOPOLOGY, queues: [work] },
    });
    expect(names(delayQueues)).toEqual(['work.retry.5000']);
  });
});

describe('a queue that does not exist', () => {
  it('is answered with the dead-letter queue of the closest name', async () => {
    const transport = broker([queue('orders_dlq'), queue('orders_dlx')], true);
    await expect(requireQueue(transport, { topology: EMPTY_TOPOLOGY }, 'order_dlq')).rejects.toMatchObject({
      code: 'queue-missing',
      message: 'queue "order_dlq" does not exist on a broker',
      hint: 'Did you mean "orders_dlq"?',
    });
  });

  it('is answered with all there are when none is close', async () => {
    const transport = broker([queue('orders_dlq'), queue('mail_dlq')], true);
    await expect(requireQueue(transport, { topology: EMPTY_TOPOLOGY }, 'zzz')).rejects.toMatchObject({
      hint: 'There are: mail_dlq, orders_dlq.',
    });
  });
});
