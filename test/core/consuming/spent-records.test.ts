import { expect, it } from 'vitest';
import { Session } from '../../../src/core/consuming/in-hand.js';
import { createSpentRecords } from '../../../src/core/consuming/spent-records.js';
import type { Settlement } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import { manualTime } from './manual-time.js';

/** A session whose broker gives `answers`, one per question, and the keys that were freed. */
function setUp(...answers: (Settlement | Error)[]) {
  const time = manualTime();
  const freed: string[] = [];
  let asked = 0;
  const session = new Session(10);
  session.subscription = {
    stop: async () => {},
    close: async () => {},
    ended: new Promise(() => {}),
    async synchronise() {
      const answer = answers[asked++] ?? 'settled';
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  const records = createSpentRecords(async ({ key }) => {
    if (key === 'refused') throw new Error('no space left on device');
    freed.push(key);
  }, time.setTimer);
  const acked = (key: string, outcome: Promise<Settlement> = Promise.resolve('settled')) =>
    records.acked(session, { key, token: 't' }, outcome);
  /** A second passes, and the broker is asked. */
  const second = async () => {
    const before = asked;
    time.pass(1_000);
    await eventually('the broker was asked', () => asked > before);
  };
  return { time, freed, session, records, acked, second, asked: () => asked };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

it('frees those of a second with one question', async () => {
  const { time, freed, acked, second, asked } = setUp();
  acked('a');
  acked('b');
  await turn();
  time.pass(999);
  await turn();
  expect([freed, asked()]).toEqual([[], 0]);
  await second();
  await eventually('both are free', () => freed.length === 2);
  expect([freed, asked(), time.timers()]).toEqual([['a', 'b'], 1, 0]);
});

it('keeps those whose acks may be lost, and frees what comes after them', async () => {
  const { freed, acked, second } = setUp('lost', new Error('the channel is gone'));
  acked('lost with the line');
  await second();
  acked('not answered');
  await second();
  acked('taken');
  await second();
  await eventually('one is free', () => freed.length > 0);
  expect(freed).toEqual(['taken']);
});

it('an ack that is on its way when the line goes counts as lost, too: the loss is told but once', async () => {
  const { freed, acked, second } = setUp('lost');
  let answer: (outcome: Settlement) => void = () => {};
  acked(
    'on its way',
    new Promise((resolve) => {
      answer = resolve;
    }),
  );
  await second();
  answer('settled');
  acked('taken');
  await second();
  await eventually('one is free', () => freed.length > 0);
  expect(freed).toEqual(['taken']);
});

it('an ack that is on its way is asked for again', async () => {
  const { freed, acked, second } = setUp();
  let answer: (outcome: Settlement) => void = () => {};
  acked(
    'late',
    new Promise((resolve) => {
      answer = resolve;
    }),
  );
  await second();
  await turn();
  expect(freed).toEqual([]);
  answer('settled');
  await second();
  await eventually('it is free', () => freed.length === 1);
});

it('keeps what was lost or refused at once, and what the store does not let go', async () => {
  const { freed, acked, second } = setUp();
  acked('lost', Promise.resolve('lost'));
  acked('not taken', Promise.reject(new Error('no space left on device')));
  acked('refused');
  acked('taken');
  await turn();
  await second();
  await eventually('one is free', () => freed.length > 0);
  await turn();
  expect(freed).toEqual(['taken']);
});

it('frees at the end of a session without waiting for the second, once the acks are made', async () => {
  const { freed, session, records, acked } = setUp();
  let answer: (outcome: Settlement) => void = () => {};
  acked(
    'late',
    new Promise((resolve) => {
      answer = resolve;
    }),
  );
  const over = records.free(session);
  await turn();
  expect(freed).toEqual([]);
  answer('settled');
  await over;
  expect(freed).toEqual(['late']);
});

it('asks nobody when nothing was decided, and no more once closed', async () => {
  const { time, session, records, acked, asked } = setUp();
  await records.free(session);
  records.close();
  acked('a');
  expect([asked(), time.timers()]).toEqual([0, 0]);
});
