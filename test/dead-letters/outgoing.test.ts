import { describe, expect, it } from 'vitest';
import type { Headers } from '../../src/core/message.js';
import { messageHash } from '../../src/dead-letters/message-hash.js';
import { addressOf, outgoing } from '../../src/dead-letters/outgoing.js';
import type { ReplayTarget } from '../../src/dead-letters/replay-types.js';
import { deadLetter, death, failed, failure } from './letters.js';

const DLQ = 'notifications_dlq';
const QUEUE: ReplayTarget = { kind: 'queue' };
const EXCHANGE: ReplayTarget = { kind: 'exchange' };

const send = (headers: Headers, target: ReplayTarget = QUEUE, properties = {}) => {
  const message = deadLetter(headers, { properties });
  const sent = outgoing(message, { id: 'r1', queue: DLQ, target, time: '2026-02-01T00:00:00.000Z' });
  if (typeof sent === 'string') throw new Error(sent);
  return sent;
};
const rejected = [death('notifications', 'rejected', 1_769_900_400)];

describe('where a dead letter goes', () => {
  it.each<[string, Headers, ReplayTarget, unknown]>([
    ['to the queue of its failure record', failed(), QUEUE, { exchange: '', routingKey: 'notifications' }],
    [
      'to the queue of x-death',
      { 'x-death': rejected },
      QUEUE,
      { exchange: '', routingKey: 'notifications' },
    ],
    ['to its exchange', failed(), EXCHANGE, { exchange: 'events', routingKey: 'analysis.completed' }],
    ['to a named queue', {}, { kind: 'name', queue: 'attic' }, { exchange: '', routingKey: 'attic' }],
    ['nowhere, when nothing tells', {}, QUEUE, 'no-target'],
    ['nowhere, when nothing tells its exchange', {}, EXCHANGE, 'no-target'],
    ['not to the dead-letter queue itself', failed({ queue: DLQ }), QUEUE, 'own-queue'],
    ['nor through the default exchange', failed({ exchange: '', routingKey: DLQ }), EXCHANGE, 'own-queue'],
  ])('%s', (_, headers, target, address) => {
    expect(addressOf(deadLetter(headers), DLQ, target)).toEqual(address);
  });
});

describe('what is sent of a dead letter', () => {
  it('keeps its headers, but for those of its failure, which go into the record of the replay', () => {
    const { properties } = send({ ...failed(), 'x-retry': { attempt: 3 }, tenant: 'a', 'x-death': rejected });
    expect(properties.headers).toEqual({
      tenant: 'a',
      'x-death': rejected,
      'x-replay': {
        id: 'r1',
        time: '2026-02-01T00:00:00.000Z',
        from: DLQ,
        exchange: 'events',
        routingKey: 'analysis.completed',
        failure,
      },
    });
  });

  it.each(['expired', 'maxlen', 'delivery_limit'])(
    'loses an x-death that says %s: RabbitMQ would drop it when it comes back from a delay queue',
    (reason) => {
      const deaths = {
        'x-death': [death('notifications', reason, 1_769_900_400)],
        'x-first-death-queue': 'notifications',
        'x-last-death-reason': reason,
      };
      const { properties } = send({ ...deaths, 'x-deathly': 'stays' });
      expect(Object.keys(properties.headers ?? {})).toEqual(['x-deathly', 'x-replay']);
      expect(properties.headers?.['x-replay']).toMatchObject({ removed: deaths });
    },
  );

  it('has no expiration and no user: both are in the record of the replay', () => {
    const { properties } = send(failed(), QUEUE, { expiration: '1000', userId: 'worker', appId: 'shop' });
    expect(properties).not.toHaveProperty('expiration');
    expect(properties).not.toHaveProperty('userId');
    expect(properties.appId).toBe('shop');
    expect(properties.headers?.['x-replay']).toMatchObject({ expiration: '1000', userId: 'worker' });
  });

  it('keeps CC for its exchange only', () => {
    expect(send({ ...failed(), CC: ['b'], BCC: ['c'] }).properties.headers).toMatchObject({
      'x-replay': { removed: { CC: ['b'], BCC: ['c'] } },
    });
    expect(send({ ...failed(), CC: ['b'] }, EXCHANGE).properties.headers).toMatchObject({ CC: ['b'] });
  });

  it('does not carry the delivery count of the queue that it leaves', () => {
    expect(send({ ...failed(), 'x-delivery-count': 3 }).properties.headers).not.toHaveProperty(
      'x-delivery-count',
    );
  });
});

describe('the hash of a message', () => {
  const message = deadLetter({ 'x-death': rejected }, { properties: { messageId: 'm' } });
  const hash = (changes: object) => messageHash({ ...message, ...changes });

  it('is the same at every delivery, whatever the queue counts', () => {
    const headers = { 'x-death': rejected, 'x-delivery-count': 2, 'x-acquired-count': 3 };
    const counted = { redelivered: true, properties: { ...message.properties, headers } };
    expect(hash(counted)).toBe(hash({}));
    expect(messageHash(message)).toMatch(/^[0-9a-f]{32}$/);
  });

  it.each([
    ['exchange', { exchange: 'other' }],
    ['routing key', { routingKey: 'other' }],
    ['body', { body: Buffer.from('other') }],
    ['message id', { properties: { ...message.properties, messageId: 'other' } }],
    ['a header', { properties: { ...message.properties, headers: { a: 1 } } }],
  ])('differs by %s', (_, changes) => {
    expect(hash(changes)).not.toBe(hash({}));
  });

  it.each<[string, Headers, Headers]>([
    ['a number and its text', { a: 1 }, { a: '1' }],
    ['where one text ends and the next begins', { a: ['ab', 'c'] }, { a: ['a', 'bc'] }],
    ['a list and a table', { a: ['b', 'c'] }, { a: { b: 'c' } }],
    ['how deep it lies', { a: { b: {} }, c: 1 }, { a: { b: { c: 1 } } }],
    ['nothing and an empty text', { a: null }, { a: '' }],
    ['letters beyond ASCII', { a: 'größe' }, { a: 'grösse' }],
  ])('tells apart %s', (_, one, other) => {
    expect(hash({ properties: { headers: one } })).not.toBe(hash({ properties: { headers: other } }));
  });

  it('takes messages of any size, and small ones after them are what they were', () => {
    const small = hash({});
    const headers = { long: 'x'.repeat(300_000), größe: 'ü'.repeat(70_000) };
    const large = hash({ properties: { headers }, body: Buffer.alloc(1_000_000, 7) });
    expect(hash({ properties: { headers }, body: Buffer.alloc(1_000_000, 7) })).toBe(large);
    expect(hash({ properties: { headers }, body: Buffer.alloc(1_000_000, 8) })).not.toBe(large);
    expect(hash({})).toBe(small);
  });
});
