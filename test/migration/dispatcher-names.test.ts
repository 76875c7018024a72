/** Names that a dispatcher makes of event types, and keys that it makes of data. */
import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { defineCatalog, defineEvent, type EventMap } from '../../src/core/events/catalog.js';
import { createDispatcher } from '../../src/migration/dispatcher.js';
import { identifyFact } from '../../src/migration/identify-fact.js';
import { methodName } from '../../src/migration/method-name.js';

describe('the method of an event type', () => {
  it.each([
    ['analysis.completed', 'analysisCompleted'],
    ['order.item.sent', 'orderItemSent'],
    ['order-item.re_sent', 'orderItemReSent'],
    ['Order.paid', 'OrderPaid'],
    ['a.b', 'aB'],
  ])('%s is %s', (type, name) => expect(methodName(type)).toBe(name));

  it('is the same for the compiler', () => {
    expectTypeOf(methodName('analysis.completed')).toEqualTypeOf<'analysisCompleted'>();
    expectTypeOf(methodName('order-item.re_sent')).toEqualTypeOf<'orderItemReSent'>();
    expectTypeOf(methodName('order.item.sent')).toEqualTypeOf<'orderItemSent'>();
  });

  it.each([
    ['two types', ['order.paid', 'order-paid.now', 'order.paid-now'], 'orderPaidNow'],
    ["one of the dispatcher's own", ['fact.of'], 'factOf'],
  ])('that %s would have is refused', (_, types, name) => {
    const definitions = types.map((type) => defineEvent({ type, exchange: 'x', schema: z.unknown() }));
    const create = () =>
      createDispatcher<EventMap>({
        catalog: defineCatalog(...definitions),
        stages: { decide: () => ({ stage: 'off', epoch: 0, inSample: false }) },
        publisher: { publish: () => Promise.reject(new Error('not asked for')) },
        callbacks: { send: () => Promise.reject(new Error('not asked for')) },
        routes: [],
      });
    expect(create).toThrow(`The dispatcher has a method ${name} already`);
  });
});

describe('the key of a fact', () => {
  const schema = z.object({ order: z.uuid(), shop: z.string(), note: z.string() });
  const paid = defineEvent({
    type: 'order.paid',
    exchange: 'x',
    schema,
    fact: ({ order, shop }) => `paid:${shop}:${order}`,
    job: ({ order }) => order,
  });
  const order = '3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b';
  const data = { order, shop: 's', note: 'n' };
  const identify = (given: unknown, definition = paid, id?: string) =>
    identifyFact(definition, given, {
      time: new Date(5),
      randomId: () => 'random',
      ...(id !== undefined && { id }),
    });

  it('is what the catalog names, and the id stays free', () => {
    const fact = `paid:s:${order}`;
    expect(identify(data)).toEqual({ fact, named: fact, job: order, id: undefined, invalid: undefined });
    expect(identify(data, paid, 'mine')).toMatchObject({ fact, id: 'mine' });
  });

  it('is named as well where other fields do not fit, or its own fit no schema and name something', () => {
    const invalid = { code: 'event-invalid' };
    expect(identify({ order, shop: 's' })).toMatchObject({ named: `paid:s:${order}`, invalid });
    expect(identify({ ...data, order: 'A-1' })).toMatchObject({ named: 'paid:s:A-1', job: 'A-1', invalid });
    expect(identify({ ...data, order: 17 })).toMatchObject({ named: 'paid:s:17', job: undefined, invalid });
  });

  it.each([
    ['missing', { shop: 's', note: 'n' }],
    ['null', { ...data, order: null }],
    ['empty', { ...data, order: '' }],
    ['an object', { ...data, order: {} }],
    ['in nothing', undefined],
    ['in a text', 'order'],
  ])('is the event id where what names it is %s', (_, given) => {
    const invalid = { code: 'event-invalid' };
    expect(identify(given)).toMatchObject({ fact: 'random', named: undefined, id: 'random', invalid });
    expect(identify(given, paid, 'mine')).toMatchObject({ fact: 'mine', id: 'mine' });
  });

  it('is the event id where the catalog names none, and the event gets that id', () => {
    const plain = defineEvent({ type: 'order.paid', exchange: 'x', schema });
    expect(identify(data, plain)).toMatchObject({ fact: 'random', named: undefined, id: 'random' });
    const withId = defineEvent({
      ...{ type: 'order.paid', exchange: 'x', schema },
      id: (_, time) => `id-${time.getTime()}`,
    });
    expect(identify(data, withId)).toMatchObject({ fact: 'id-5', id: 'id-5', invalid: undefined });
  });

  it('of a catalog whose function fails is the event id, and the data cannot be published', () => {
    const broken = defineEvent({
      ...{ type: 'order.paid', exchange: 'x', schema },
      fact() {
        throw new Error('oops');
      },
    });
    expect(identify(data, broken)).toMatchObject({
      fact: 'random',
      invalid: { code: 'config-invalid', message: 'The fact function of order.paid failed: oops' },
    });
  });
});
