import { expect, it } from 'vitest';
import { seldom } from '../../../src/core/consuming/seldom.js';
import { describeTrouble } from '../../../src/core/consuming/trouble.js';
import { EventsError } from '../../../src/core/errors.js';

const message = {
  exchange: 'e',
  routingKey: 'order.paid',
  body: Buffer.from('{}'),
  properties: { messageId: 'm-1', type: 'order.paid' },
  redelivered: false,
};

it('says what waits, why, what to do, and that nothing is lost', () => {
  const error = new EventsError('exchange-missing', 'exchange "dlx" does not exist', {
    hint: 'Run setup first.',
  });
  expect(
    describeTrouble({ kind: 'dead-letter', queue: 'q', error, message, heldMs: 300, nextTryMs: 30_000 }),
  ).toBe(
    '"order.paid" "m-1" in q waits: its dead letter cannot be published. exchange "dlx" does not exist. Run setup first. Nothing is lost; next try in 30 s.',
  );
});

it('says why a consumer takes nothing, and for how long', () => {
  expect(
    describeTrouble({
      kind: 'circuit-open',
      queue: 'q',
      error: new Error('ECONNREFUSED'),
      nextTryMs: 300_000,
    }),
  ).toBe(
    'The consumer of q takes nothing for 5 min, because its handlers keep failing; the queue keeps the events. Last failure: ECONNREFUSED',
  );
});

it('says which event halts a consumer that keeps an order, until when, and what helps', () => {
  const error = new Error('ECONNREFUSED');
  expect(describeTrouble({ kind: 'halted', queue: 'q', error, message, inHand: 5, nextTryMs: 5_000 })).toBe(
    'The consumer of q handles nothing until "order.paid" "m-1" is tried again in 5 s: it failed, and all of the 5 deliveries that the prefetch allows wait for it, or for others that failed, because events of one key keep their order. Last failure: ECONNREFUSED. If trying again cannot help, have the handler throw a PermanentError; a larger prefetch leaves room for other keys.',
  );
});

it('warns before RabbitMQ cuts a consumer off', () => {
  const text = describeTrouble({ kind: 'overdue', queue: 'q', message, heldMs: 24 * 60_000 });
  expect(text).toContain('"order.paid" "m-1" in q has been in hand for 24 min.');
  expect(text).toContain('consumer_timeout');
});

it('tells a thing at once, then once a minute with how often it happened unsaid', () => {
  let now = 0;
  const mayTell = seldom(60_000, () => now);
  expect([mayTell('a'), mayTell('a'), mayTell('a'), mayTell('b')]).toEqual([0, undefined, undefined, 0]);
  now = 60_000;
  expect([mayTell('a'), mayTell('a')]).toEqual([2, undefined]);
  now = 200_000;
  expect(mayTell('a')).toBe(1);
});

it('does not grow with the number of different things', () => {
  const mayTell = seldom(60_000, () => 0);
  for (let n = 0; n < 5_000; n++) expect(mayTell(`thing ${n}`)).toBe(0);
});
