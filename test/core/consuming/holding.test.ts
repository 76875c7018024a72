import { expect, it } from 'vitest';
import { createHolding } from '../../../src/core/consuming/holding.js';
import { InHand, Session } from '../../../src/core/consuming/in-hand.js';
import type { HeldBack } from '../../../src/core/consuming/trouble.js';
import { EventsError } from '../../../src/core/errors.js';
import { manualTime } from './manual-time.js';

const message = { exchange: 'e', routingKey: 'k', body: Buffer.from(''), properties: {}, redelivered: false };
const settled = async () => 'settled' as const;

function stage() {
  const time = manualTime();
  const told: HeldBack[] = [];
  let closing = false;
  const session = new Session(100);
  const arrival = {
    message,
    attempt: 0,
    firstFailedAt: undefined,
    expiration: undefined,
    userId: undefined,
  };
  const of = new InHand({ message, ack: settled, requeue: settled, reject: settled }, arrival, session);
  const holding = createHolding({
    now: time.now,
    setTimer: time.setTimer,
    closing: () => closing,
    onHeld: (held) => told.push(held),
  });
  const turn = () => new Promise(setImmediate);
  return {
    time,
    told,
    of,
    session,
    holding,
    close() {
      closing = true;
      session.epoch.wake();
    },
    async pass(ms: number) {
      await turn();
      time.pass(ms);
      await turn();
    },
  };
}

const refused = () => Promise.reject(new EventsError('exchange-missing', 'no such exchange'));

it('tries again after 100 ms, doubling to 30 s, and tells each time how long it has been held', async () => {
  const { told, of, holding, pass } = stage();
  let tries = 0;
  const done = holding.until(of, 'dead-letter', async () => {
    if (++tries <= 11) await refused();
  });
  for (let n = 0; n < 11; n++) await pass(told.at(-1)?.nextTryMs ?? 0);
  await pass(30_000);
  expect(await done).toBe(true);
  expect(told.map(({ nextTryMs }) => nextTryMs)).toEqual([
    ...[100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600],
    ...[30_000, 30_000],
  ]);
  expect(told.slice(0, 3).map(({ heldMs }) => heldMs)).toEqual([0, 100, 300]);
});

it('tells of a step that neither succeeds nor fails', async () => {
  const { told, of, holding, pass, time } = stage();
  let answer: () => void = () => {};
  const done = holding.until(of, 'retry-copy', () => new Promise<void>((resolve) => (answer = resolve)));
  await pass(9_999);
  expect([told, holding.count()]).toEqual([[], 1]);
  await pass(1);
  expect(told).toMatchObject([{ kind: 'retry-copy', error: { code: 'timeout' }, heldMs: 10_000 }]);
  expect(told[0]).not.toHaveProperty('nextTryMs');
  answer();
  expect(await done).toBe(true);
  expect([holding.count(), time.timers()]).toEqual([0, 0]);
});

it('lets go of what is lost, without another try', async () => {
  const { told, of, session, holding, pass, time } = stage();
  const done = holding.until(of, 'store', refused);
  await pass(0);
  session.renew();
  expect(await done).toBe(false);
  expect([told.length, time.timers()]).toEqual([1, 0]);
});

it('lets go when the consumer closes, but tries once even then', async () => {
  const held = stage();
  const waiting = held.holding.until(held.of, 'dead-letter', refused);
  await held.pass(0);
  held.close();
  expect(await waiting).toBe(false);
  let tried = false;
  const late = held.holding.until(held.of, 'dead-letter', async () => {
    tried = true;
  });
  expect([await late, tried]).toEqual([true, true]);
});

it('leaves the message with a broker whose transport was closed, and waits for a store that was', async () => {
  const { told, of, holding, pass } = stage();
  const closed = () => Promise.reject(new EventsError('closed', 'closed'));
  expect(await holding.until(of, 'dead-letter', closed)).toBe(false);
  expect(told).toEqual([]);
  void holding.until(of, 'store', closed);
  await pass(0);
  expect(told).toMatchObject([{ kind: 'store', nextTryMs: 100 }]);
});
