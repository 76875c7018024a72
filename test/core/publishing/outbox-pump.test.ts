/** What the pump sends, in which order, and what a failure holds back: on a transport that answers as it is told. */
import { expect, test } from 'vitest';
import { EventsError } from '../../../src/core/errors.js';
import { createOutbox } from '../../../src/core/publishing/outbox.js';
import { eventually, gate, within } from '../../await.js';
import { manualTime } from '../consuming/manual-time.js';
import { messageTo, openOutbox, outboxPath, script } from './outbox-scene.js';

const ids = (count: number, from = 1) => Array.from({ length: count }, (_, n) => `m${from + n}`);

test('the first message of an exchange goes alone, the others behind it in bursts of the window', async () => {
  const line = script();
  const outbox = openOutbox(line, undefined, { window: 4 });
  await Promise.all(ids(10).map((id) => outbox.publish(messageTo('x', 'k', id))));
  await outbox.drained();
  expect(line.bursts).toEqual(['m1', 'm2 m3 m4 m5', 'm6 m7 m8 m9', 'm10']);
  await outbox.publish(messageTo('y', 'k', 'new exchange'));
  await outbox.drained();
  expect(line.bursts.at(-1)).toBe('new exchange');
  expect(outbox.state()).toEqual({ waiting: 0, oldestAt: undefined, inFlight: 0, trouble: undefined });
});

test('a burst waits for all answers of the one before', async () => {
  const line = script();
  const slow = gate();
  line.answer = async (id) => {
    if (id === 'm3') await slow.opened;
    return 'ok';
  };
  const outbox = openOutbox(line, undefined, { window: 3 });
  await Promise.all(ids(7).map((id) => outbox.publish(messageTo('x', 'k', id))));
  await eventually('the second burst is out', () => line.confirmed.includes('m4'));
  // News while it waits changes nothing.
  for (const id of ids(3, 8)) await outbox.publish(messageTo('x', 'k', id));
  expect(line.bursts).toEqual(['m1', 'm2 m3 m4']);
  expect(outbox.state()).toMatchObject({ waiting: 9, inFlight: 3 });
  slow.open();
  await outbox.drained();
  expect(line.bursts).toEqual(['m1', 'm2 m3 m4', 'm5 m6 m7', 'm8 m9 m10']);
});

test.each(['unreachable', 'publish-unknown', 'timeout', 'closed', 'storage', 'busy'] as const)(
  'after %s all goes on from the first that failed, alone, in order, and what was confirmed is not sent again',
  async (code) => {
    const line = script();
    let down = true;
    line.answer = async (id) => (down && ['m3', 'm5'].includes(id) ? code : 'ok');
    const outbox = openOutbox(line, undefined, { window: 10 });
    await Promise.all(ids(6).map((id) => outbox.publish(messageTo('x', 'k', id))));
    await eventually('it was tried again', () => line.bursts.filter((burst) => burst === 'm3').length > 1);
    expect(line.bursts.slice(0, 3)).toEqual(['m1', 'm2 m3 m4 m5 m6', 'm3']);
    expect(outbox.state().trouble).toMatchObject({ kind: 'line', error: { code } });
    expect(outbox.state().waiting).toBe(2);
    down = false;
    await outbox.drained();
    expect(line.confirmed).toEqual(['m1', 'm2', 'm4', 'm6', 'm3', 'm5']);
    expect(outbox.state().trouble).toBeUndefined();
  },
);

test.each(['unroutable', 'exchange-missing', 'access-refused', 'publish-refused'] as const)(
  '%s holds back its exchange and routing key only, in order, until it passes',
  async (code) => {
    const line = script();
    let broken = true;
    line.answer = async (_, { routingKey }) => (broken && routingKey === 'bad' ? code : 'ok');
    const outbox = openOutbox(line, undefined, { window: 10 });
    const sent = ids(300);
    await Promise.all(sent.map((id, n) => outbox.publish(messageTo('x', n % 3 === 0 ? 'bad' : 'good', id))));
    await eventually('the others are through', () => outbox.state().waiting === 100);
    expect(line.confirmed).toEqual(sent.filter((_, n) => n % 3 !== 0));
    expect(outbox.state().trouble).toMatchObject({
      kind: 'lane',
      exchange: 'x',
      routingKey: 'bad',
      waiting: 100,
      error: { code },
    });
    broken = false;
    await outbox.drained();
    expect(line.confirmed.slice(200)).toEqual(sent.filter((_, n) => n % 3 === 0));
    expect(outbox.state().trouble).toBeUndefined();
  },
);

test('a message that is refused while the one behind it is taken is set aside and tried on; its lane goes on', async () => {
  const line = script();
  let poison = true;
  line.answer = async (id) => (poison && id === 'm2' ? 'publish-refused' : 'ok');
  const outbox = openOutbox(line, undefined, { window: 1 });
  await Promise.all(ids(50).map((id) => outbox.publish(messageTo('x', 'k', id))));
  await eventually('the others are through', () => line.confirmed.length === 49);
  expect(line.confirmed).toEqual(ids(50).filter((id) => id !== 'm2'));
  await eventually('they are removed', () => outbox.state().waiting === 1);
  expect(outbox.state().trouble).toMatchObject({ kind: 'message', messageId: 'm2' });
  expect(outbox.said.at(-1)).toMatch(
    /^Message "m2" to exchange "x" with routing key "k" is refused while others are taken; it is set aside\. /,
  );
  poison = false;
  await outbox.drained();
  expect(line.confirmed.at(-1)).toBe('m2');
});

test('a full queue sets nothing aside: the whole lane waits and keeps its order', async () => {
  const line = script();
  let full = true;
  line.answer = async () => (full ? 'publish-refused' : 'ok');
  const outbox = openOutbox(line);
  await Promise.all(ids(20).map((id) => outbox.publish(messageTo('x', 'k', id))));
  await eventually('the one behind was tried twice', () => line.bursts.filter((b) => b === 'm2').length > 1);
  full = false;
  await outbox.drained();
  expect(outbox.troubles.map(({ kind }) => kind)).toEqual(['lane']);
  // Whichever of the two was tried at the moment when there was room.
  expect(line.confirmed.filter((id) => id !== 'm1')).toEqual(ids(19, 2));
});

test('a message that breaks the connection again and again does not hold back the rest for ever', async () => {
  const line = script();
  line.answer = async (id) => (id === 'm1' ? 'publish-unknown' : 'ok');
  const outbox = openOutbox(line);
  await Promise.all(ids(30).map((id, n) => outbox.publish(messageTo('x', n % 2 === 0 ? 'a' : 'b', id))));
  await eventually('all others are through', () => line.confirmed.length === 29);
  await eventually('they are removed', () => outbox.state().waiting === 1);
  expect(outbox.state().trouble).toMatchObject({ kind: 'message', messageId: 'm1' });
  expect(line.confirmed.filter((id) => Number(id.slice(1)) % 2 === 0)).toEqual(
    ids(30).filter((_, n) => n % 2 === 1),
  );
});

test('what a transport throws, and errors of other kinds, hold back their lane', async () => {
  const line = script();
  const outbox = openOutbox({
    scheme: 'script',
    publish(message) {
      if (message.routingKey === 'bad') throw new TypeError('a defect');
      return line.publish(message);
    },
  });
  await outbox.publish(messageTo('x', 'bad', 'm1'));
  await outbox.publish(messageTo('x', 'good', 'm2'));
  await eventually('the other one is through', () => line.confirmed.length === 1);
  expect(outbox.state().trouble).toMatchObject({ kind: 'lane', error: new TypeError('a defect') });
});

test('tries again after 100 ms, doubling to 30 s, and tells it once a minute', async () => {
  const time = manualTime();
  const line = script();
  line.answer = async () => 'unreachable';
  const outbox = openOutbox(line, undefined, {
    retry: {},
    random: () => 0,
    clock: time.now,
    setTimer: time.setTimer,
  });
  await outbox.publish(messageTo('x', 'k', 'm1'));
  const pauses: number[] = [];
  for (let tries = 1; tries <= 12; tries++) {
    await eventually('it waits', () => line.bursts.length === tries && time.timers() === 1);
    const { trouble } = outbox.state();
    expect(trouble).toMatchObject({ kind: 'line', tries, waiting: 1 });
    pauses.push(trouble?.nextTryMs ?? 0);
    time.pass(pauses.at(-1) ?? 0);
  }
  expect(pauses).toEqual([
    ...[100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600],
    ...[30_000, 30_000, 30_000],
  ]);
  // At once, and with the first failure a minute later; the last one came after 111 s.
  expect(outbox.said).toHaveLength(2);
  expect(outbox.said[0]).toBe(
    'Nothing can be sent; 1 message waits in the outbox. the script says unreachable. Nothing is lost; next try in 0.1 s.',
  );
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'tries again also where time passes between two looks at the clock (pause of %i)',
  async (pauseMs) => {
    const line = script();
    let answers = 0;
    line.answer = async () => (++answers < 3 ? 'unreachable' : 'ok');
    // For one of the pauses the time has not come at the one look, and has at the next.
    let looks = 0;
    const outbox = openOutbox(line, undefined, {
      retry: { firstMs: pauseMs, longestMs: pauseMs, jitter: 0 },
      clock: () => ++looks,
    });
    await outbox.publish(messageTo('x', 'k', 'm1'));
    await within('it is sent', outbox.drained());
    expect(line.bursts).toEqual(['m1', 'm1', 'm1']);
  },
);

test('a pause is shortened at random, by a tenth at most', async () => {
  const time = manualTime();
  const line = script();
  line.answer = async () => 'unreachable';
  const outbox = openOutbox(line, undefined, {
    retry: {},
    random: () => 1,
    clock: time.now,
    setTimer: time.setTimer,
  });
  await outbox.publish(messageTo('x', 'k', 'm1'));
  await eventually('it waits', () => outbox.state().trouble !== undefined);
  expect(outbox.state().trouble?.nextTryMs).toBe(90);
});

test('while confirmed ones cannot be removed the others are sent all the same, and nothing is sent twice', async () => {
  const line = script();
  let refusals = 0;
  line.answer = async (id) => (id === 'm3' && ++refusals < 3 ? 'unreachable' : 'ok');
  let broken = true;
  const outbox = openOutbox(line, undefined, {}, (store) => ({
    append: (message) => store.append(message),
    read: (after, limit) => store.read(after, limit),
    state: () => store.state(),
    close: () => store.close(),
    async remove(removed) {
      if (broken) throw new EventsError('storage', 'no room');
      await store.remove(removed);
    },
  }));
  await Promise.all(ids(5).map((id) => outbox.publish(messageTo('x', 'k', id))));
  await eventually('it was tried again', () => (outbox.state().trouble?.tries ?? 0) > 2);
  await eventually('all are through', () => line.confirmed.length === 5);
  expect(outbox.state()).toMatchObject({ waiting: 5, trouble: { kind: 'remove' } });
  expect(outbox.said[0]).toBe(
    'What was sent cannot be removed from the outbox, and would be sent again by the next process. no room. Nothing is lost; next try in 0 s.',
  );
  broken = false;
  await outbox.drained();
  expect(outbox.state()).toMatchObject({ waiting: 0, trouble: undefined });
  expect(line.confirmed).toEqual(['m1', 'm2', 'm4', 'm5', 'm3']);
});

test('while the file cannot be read nothing is sent, and then all of it is', async () => {
  const line = script();
  let broken = true;
  const outbox = openOutbox(line, undefined, {}, (store) => ({
    append: (message) => store.append(message),
    async read(after, limit) {
      if (broken) throw new EventsError('storage', 'an input/output error', { hint: 'Look at the disk.' });
      return store.read(after, limit);
    },
    state: () => store.state(),
    close: () => store.close(),
    remove: (removed) => store.remove(removed),
  }));
  await Promise.all(ids(5).map((id) => outbox.publish(messageTo('x', 'k', id))));
  await eventually('it was tried again', () => (outbox.state().trouble?.tries ?? 0) > 2);
  expect(outbox.state().trouble?.kind).toBe('read');
  expect(outbox.said.at(-1)).toMatch(
    /^The outbox cannot be read, so nothing is sent; \d messages? waits? in the outbox\. an input\/output error\. Look at the disk\. /,
  );
  expect(line.bursts).toEqual([]);
  broken = false;
  await outbox.drained();
  expect(line.confirmed).toEqual(ids(5));
});

test('close sends what is there, refuses what comes later, and says that nothing is left', async () => {
  const line = script();
  const outbox = openOutbox(line);
  const published = ids(500).map((id) => outbox.publish(messageTo('x', 'k', id)));
  const closing = outbox.close();
  await expect(outbox.publish(messageTo('x', 'k', 'late'))).rejects.toMatchObject({ code: 'closed' });
  await Promise.all(published);
  expect(await closing).toEqual({ left: 0 });
  expect(line.confirmed).toEqual(ids(500));
});

test('close tries once more, without its pause, and leaves the rest to the next outbox on the file', async () => {
  const path = outboxPath();
  const line = script();
  line.answer = async () => 'unreachable';
  const outbox = openOutbox(line, path, { retry: { firstMs: 60_000, longestMs: 60_000 } });
  await Promise.all(ids(3).map((id) => outbox.publish(messageTo('x', 'k', id))));
  await eventually('it waits', () => outbox.state().trouble !== undefined);
  const waiting = expect(outbox.drained()).rejects.toMatchObject({ code: 'closed' });
  expect(await within('it does not wait a minute', outbox.close())).toEqual({ left: 3 });
  await waiting;
  expect(line.bursts).toEqual(['m1', 'm1']);
  const next = script();
  await openOutbox(next, path).drained();
  expect(next.confirmed).toEqual(ids(3));
});

test('close gives up an answer that does not come, after its deadline', async () => {
  const path = outboxPath();
  const line = script();
  const late = gate();
  line.answer = async () => {
    await late.opened;
    return 'ok';
  };
  const outbox = openOutbox(line, path);
  await outbox.publish(messageTo('x', 'k', 'm1'));
  await eventually('it is in flight', () => outbox.state().inFlight === 1);
  expect(await within('it is closed', outbox.close({ deadlineMs: 20 }))).toEqual({ left: 1 });
  late.open();
  const next = script();
  await openOutbox(next, path).drained();
  expect(next.confirmed).toEqual(['m1']);
});

test.each([
  [{ window: 0 }, /window/],
  [{ window: 1.5 }, /window/],
  [{ retry: { firstMs: 0 } }, /firstMs/],
  [{ retry: { firstMs: 10, longestMs: 5 } }, /firstMs/],
  [{ retry: { jitter: 2 } }, /jitter/],
])('options %j are refused', async (options, message) => {
  const { store } = openOutbox(script());
  expect(() => createOutbox(script(), store, options)).toThrow(
    expect.objectContaining({ code: 'usage', message: expect.stringMatching(message) }),
  );
});
