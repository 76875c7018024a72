/** What handlers get of events that a dispatcher sent during a migration, and of those that it did not. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { openLedger } from '../../../src/dead-letters/ledger.js';
import { startReplay } from '../../../src/dead-letters/replay.js';
import type { HandlerContext } from '../../../src/index.js';
import { eventually } from '../../await.js';
import { stamped, stampOf } from '../migration/stamped.js';
import { onBothBrokers } from './stage.js';

type Seen = Pick<HandlerContext, 'stage' | 'epoch' | 'dryRun' | 'fact' | 'attempt'>;

const seenOf = ({ stage, epoch, dryRun, fact, attempt }: HandlerContext): Seen => ({
  ...{ stage, epoch, dryRun, fact, attempt },
});

onBothBrokers('a stamped event', (test, stage) => {
  test('in dry run does not run its effect and is acked', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    const seen: Seen[] = [];
    const outcomes: unknown[] = [];
    const store = at.store();
    const consumer = await consume(
      {
        async 'order.paid'(_event, context) {
          seen.push(seenOf(context));
          outcomes.push(await context.effect(() => expect.fail('it ran')));
        },
      },
      { idempotency: store },
    );
    await publish('order.paid', 'A', stampOf('shadow', 'order.paid:A'));
    await eventually('it is handled', () => outcomes.length === 1);
    expect(seen).toEqual([{ stage: 'shadow', epoch: 3, dryRun: true, fact: 'order.paid:A', attempt: 0 }]);
    expect(outcomes).toEqual([{ ran: false, because: 'dry-run' }]);
    expect(await store.find('fact:shipping:order.paid:A')).toEqual({ state: 'free' });
    await at.allAcked(consumer);
  });

  test('whose fact counts runs each of its effects once, however often it is published', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    const effects: string[] = [];
    const outcomes: unknown[] = [];
    const store = at.store();
    await consume(
      {
        async 'order.paid'(_event, { effect }) {
          outcomes.push(await effect(() => effects.push('ship')));
          outcomes.push(await effect(async () => effects.push('mail'), { name: 'mail' }));
        },
      },
      { idempotency: store },
    );
    for (const stageOfIt of ['live', 'rampdown', 'complete'] as const) {
      await publish('order.paid', 'A', stampOf(stageOfIt, 'order.paid:A'));
    }
    await eventually('all are handled', () => outcomes.length === 6);
    expect(effects.toSorted()).toEqual(['mail', 'ship']);
    const done = { ran: false, because: 'done', doneAt: expect.any(Number) };
    expect(outcomes.filter((each) => (each as { ran: boolean }).ran)).toHaveLength(2);
    expect(outcomes.filter((each) => !(each as { ran: boolean }).ran)).toEqual([done, done, done, done]);
    expect(await store.find('fact:shipping:order.paid:A')).toMatchObject({ state: 'done' });
    expect(await store.find('fact:shipping:order.paid:A#mail')).toMatchObject({ state: 'done' });
  });

  test('that is only observed is acked without a handler, also when it would be refused', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    const handled: string[] = [];
    await publish('order.paid', 'observed', stampOf('publish', 'order.paid:observed'));
    await publish('order.sent', 'no handler', stampOf('publish', 'order.sent:x'));
    await at.send('not JSON', {
      headers: { 'x-migration-stage': 'publish', 'x-migration-epoch': 3, 'idempotency-key': 'f' },
    });
    await publish('order.paid', 'applied');
    const handlers = {
      'order.paid': ({ data }: { data: { order: string } }) => void handled.push(data.order),
    };
    const consumer = await consume(handlers, { prefetch: 1 });
    await eventually('the last one is handled', () => handled.length === 1);
    expect(handled).toEqual(['applied']);
    await at.allAcked(consumer);
  });

  test('carries its stamp on both wires, beside the headers of the event', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    const seen: HandlerContext[] = [];
    const note = (_event: unknown, context: HandlerContext) => void seen.push(context);
    await consume({ 'order.paid': note, 'order.refused': note });
    await publish('order.paid', 'A', stampOf('live', 'order.paid:A'));
    await publish('order.refused', 'A', stampOf('rampdown', 'order.refused:A', { callbacks: 'not-sent' }));
    await eventually('both are handled', () => seen.length === 2);
    const [data, flat] = seen.toSorted((a, b) => (a.fact < b.fact ? -1 : 1));
    expect(data?.message.properties.headers).toEqual({
      'x-event-time': expect.any(String),
      'x-migration-stage': 'live',
      'x-migration-epoch': 3,
      'idempotency-key': 'order.paid:A',
      'x-dry-run': 'false',
      'x-migration-callbacks': 'sent',
    });
    expect(flat?.message.properties.headers).toEqual({
      'x-migration-stage': 'rampdown',
      'x-migration-epoch': 3,
      'idempotency-key': 'order.refused:A',
      'x-dry-run': 'false',
      'x-migration-callbacks': 'not-sent',
    });
    expect(JSON.parse(String(flat?.message.body))).toEqual({
      eventType: 'order.refused',
      timestamp: expect.any(String),
      order: 'A',
    });
    expect([data, flat].map((context) => context && seenOf(context))).toEqual([
      { stage: 'live', epoch: 3, dryRun: false, fact: 'order.paid:A', attempt: 0 },
      { stage: 'rampdown', epoch: 3, dryRun: false, fact: 'order.refused:A', attempt: 0 },
    ]);
  });

  test('keeps its stamp when it is retried, dead-lettered and replayed', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    const seen: Seen[] = [];
    await consume({
      'order.paid'(_event, context) {
        seen.push(seenOf(context));
        if (seen.length <= 3) throw new Error('the carrier sleeps');
      },
    });
    await publish('order.paid', 'A', stampOf('shadow', 'order.paid:A', { epoch: 41 }));
    const [letter] = await at.dead(1);
    expect(letter?.message.properties.headers).toMatchObject({
      'x-migration-stage': 'shadow',
      'x-migration-epoch': 41,
      'idempotency-key': 'order.paid:A',
      'x-migration-callbacks': 'sent',
    });
    const ledger = openLedger(join(at.folder, 'replays.db'));
    at.defer(() => ledger.close());
    await startReplay(at.bus.transport, ledger, { queue: at.names.dlq, target: { kind: 'queue' } });
    await eventually('the replayed one is handled', () => seen.length === 4);
    const always = { stage: 'shadow', epoch: 41, dryRun: true, fact: 'order.paid:A' };
    expect(seen).toEqual([0, 1, 2, 0].map((attempt) => ({ ...always, attempt })));
  });

  test('of which the stamp is damaged is applied, under the fact that its data give', async () => {
    const at = await stage();
    const { consume } = stamped(at);
    const seen: Seen[] = [];
    await consume({ 'order.paid': (_event, context) => void seen.push(seenOf(context)) });
    const whole = { 'x-migration-stage': 'shadow', 'x-migration-epoch': 3, 'idempotency-key': 'f' };
    await at.send('{"order":"A"}', { headers: { ...whole, 'x-migration-stage': 'canary' } });
    await at.send('{"order":"A"}', { headers: { ...whole, 'x-migration-epoch': 'many' } });
    await eventually('both are handled', () => seen.length === 2);
    const applied = { stage: undefined, epoch: undefined, dryRun: false, fact: 'order.paid:A', attempt: 0 };
    expect(seen).toEqual([applied, applied]);
  });
});

onBothBrokers('an event without a stamp', (test, stage) => {
  test('is applied, once per fact that its definition names, with a message id or without', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    const seen: Seen[] = [];
    const effects: string[] = [];
    await consume(
      {
        async 'order.refused'({ data }, context) {
          await context.effect(() => effects.push(data.order));
          seen.push(seenOf(context));
        },
      },
      { idempotency: at.store() },
    );
    // As a worker of today writes it: five times, one outcome.
    const body = '{"eventType":"order.refused","timestamp":"2026-01-01T00:00:00.000Z","order":"A"}';
    for (let n = 0; n < 4; n++) await at.send(body, { type: 'order.refused' }, 'order.refused');
    await publish('order.refused', 'A');
    await eventually('all are handled', () => seen.length === 5);
    const applied = { stage: undefined, epoch: undefined, dryRun: false, attempt: 0 };
    expect(seen).toEqual(Array.from({ length: 5 }, () => ({ ...applied, fact: 'order.refused:A' })));
    expect(effects).toEqual(['A']);
  });

  test('whose definition names no fact is a fact of its own, by its id', async () => {
    const at = await stage();
    const { consume } = stamped(at);
    const facts: string[] = [];
    let effects = 0;
    await consume(
      {
        async 'order.sent'(_event, { effect, fact }) {
          await effect(() => effects++);
          facts.push(fact);
        },
      },
      { idempotency: at.store() },
    );
    const send = (messageId?: string) =>
      at.send(
        '{"order":"A"}',
        { type: 'order.sent', ...(messageId !== undefined && { messageId }) },
        'order.sent',
      );
    await send('id-1');
    await send('id-2');
    await eventually('both are handled', () => facts.length === 2);
    expect([facts.toSorted(), effects]).toEqual([['id-1', 'id-2'], 2]);
    // Two without an id may be two events, and the second effect would not happen.
    await send();
    const [letter] = await at.dead(1);
    expect(letter?.record).toMatchObject({ reason: 'permanent', attempts: 1 });
    expect(letter?.record.message).toContain('effect() needs a fact');
  });
});

onBothBrokers('an effect in a handler', (test, stage) => {
  test('that throws has not happened, and may be asked for again', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    const attempts: number[] = [];
    await consume(
      {
        async 'order.paid'(_event, { effect, attempt }) {
          const fail = () => {
            attempts.push(attempt);
            if (attempts.length < 3) throw new Error('the carrier sleeps');
          };
          await effect(fail).catch(() => effect(fail));
        },
      },
      { idempotency: at.store() },
    );
    await publish('order.paid', 'A', stampOf('live', 'order.paid:A'));
    await eventually('it has happened', () => attempts.length === 3);
    expect(attempts).toEqual([0, 0, 1]);
  });

  test('is refused without store, without name and twice under one name, in dry run as otherwise', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    const outcomes: PromiseSettledResult<unknown>[] = [];
    const handlers = {
      async 'order.paid'(_event: unknown, { effect }: HandlerContext) {
        outcomes.push(...(await Promise.allSettled([effect(() => 1), effect(() => 2)])));
      },
    };
    const idempotency = at.store();
    const messagesOf = async (stageOfIt: 'shadow' | 'live', fact: string) => {
      await publish('order.paid', 'A', stampOf(stageOfIt, fact));
      await eventually('both have an answer', () => outcomes.length === 2);
      return outcomes
        .splice(0)
        .map((each) => (each.status === 'rejected' ? [each.reason.code, each.reason.message] : 'fulfilled'));
    };
    for (const stageOfIt of ['shadow', 'live'] as const) {
      const bare = await consume(handlers);
      const noStore = ['usage', expect.stringContaining('has no idempotency store')];
      expect(await messagesOf(stageOfIt, 'f-1')).toEqual([noStore, noStore]);
      await bare.close();
      const nameless = await stamped(at, { named: false }).consume(handlers, { idempotency });
      const noName = ['usage', expect.stringContaining('has no name')];
      expect(await messagesOf(stageOfIt, 'f-2')).toEqual([noName, noName]);
      await nameless.close();
      const whole = await consume(handlers, { idempotency });
      const twice = ['usage', expect.stringContaining('"fact:shipping:f-3" twice')];
      expect(await messagesOf(stageOfIt, 'f-3')).toEqual(['fulfilled', twice]);
      await whole.close();
    }
  });
});
