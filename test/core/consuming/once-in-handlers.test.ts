/** What handlers get as `once`: an effect runs once per event, or per key of the business. */
import { expect, onTestFinished } from 'vitest';
import { eventually, within } from '../../await.js';
import { onBothBrokers } from './stage.js';

onBothBrokers('once in a handler', (test, stage) => {
  test('once runs an effect once, under the event’s id or a key of the business', async () => {
    const at = await stage();
    const { bus, names, options } = at;
    const idempotency = at.store();
    const effects: string[] = [];
    let attempts = 0;
    await bus.consume(
      names.queue,
      {
        async 'order.paid'({ id, data }, { once }) {
          attempts++;
          await once(() => void effects.push(id));
          await once(`refund:${data.order}`, async () => void effects.push('refund'));
          if (attempts < 3) throw new Error('fails after the effects');
        },
      },
      options({ idempotency }),
    );
    const { id } = await bus.publish('order.paid', { order: 'A' });
    await eventually('three attempts', () => attempts === 3);
    expect(effects).toEqual([id, 'refund']);
  });

  test('an effect without a key is refused at once for an event without an id: two may have the same bytes', async () => {
    const at = await stage();
    const { names, options, dead, send } = at;
    let effects = 0;
    let attempts = 0;
    await at.bus.consume(
      names.queue,
      {
        async 'order.paid'({ data }, { once }) {
          attempts++;
          if (data.order === 'keyed') await once('by the order', () => void effects++);
          else await once(() => void effects++);
        },
      },
      options({ idempotency: at.store() }),
    );
    await send('{"order":"A"}');
    await send('{"order":"A"}');
    await send('{"order":"A"}', { messageId: '' });
    for (const { record } of await dead(3)) {
      expect(record).toMatchObject({ reason: 'permanent', attempts: 1 });
      expect(record.message).toContain('needs a key');
    }
    await send('{"order":"keyed"}');
    await eventually('an effect with a key happens', () => effects === 1);
    expect(attempts).toBe(4);
  });

  test('effects asked for side by side without a store all reject, and nothing else does', async () => {
    const { bus, names, options } = await stage();
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    onTestFinished(() => void process.off('unhandledRejection', note));
    let outcomes: PromiseSettledResult<unknown>[] = [];
    await bus.consume(
      names.queue,
      {
        async 'order.paid'(_event, { once }) {
          outcomes = await Promise.allSettled([once(() => 1), once(() => 2)]);
        },
      },
      options(),
    );
    await bus.publish('order.paid', { order: 'A' });
    await eventually('both are refused', () => outcomes.length === 2);
    expect(outcomes).toMatchObject([
      { reason: { code: 'usage', message: expect.stringContaining('has no idempotency store') } },
      { reason: { code: 'usage', message: expect.stringContaining('has no idempotency store') } },
    ]);
    expect(unhandled).toEqual([]);
  });

  test('a second effect without a key of its own is refused, as is once without a store', async () => {
    const at = await stage();
    const { bus, names, options, dead } = at;
    const handlers = {
      async 'order.paid'(_event: unknown, { once }: { once: (effect: () => void) => Promise<unknown> }) {
        await once(() => {});
        await once(() => {});
      },
    };
    const idempotency = at.store();
    const first = await bus.consume(names.queue, handlers, options({ retry: false, idempotency }));
    await bus.publish('order.paid', { order: 'A' });
    await dead(1);
    await within('closed', first.close());
    await bus.consume(names.queue, handlers, options({ retry: false }));
    await bus.publish('order.paid', { order: 'B' });
    const messages = (await dead(2)).map(({ record }) => record.message);
    expect(messages[0]).toContain('was called twice');
    expect(messages[1]).toContain('has no idempotency store');
  });
});
