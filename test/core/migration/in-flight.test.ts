/** Facts whose process dies, or which wait as dead letters, while the flag is moved: docs/migration.md, "In flight across a flip". */
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { openLedger } from '../../../src/dead-letters/ledger.js';
import { startReplay } from '../../../src/dead-letters/replay.js';
import type { ReplayOptions } from '../../../src/dead-letters/replay-types.js';
import {
  callbackHeadersOf,
  createCallbackReceiver,
  type EffectOptions,
  type HandlerContext,
  type IdempotencyStore,
  openIdempotencyStore,
  PermanentError,
  resolveUnknown,
} from '../../../src/index.js';
import { eventually } from '../../await.js';
import { type Child, killLeftovers, runProgram } from '../../transports/embedded/child.js';
import { onBothBrokers, type Stage } from '../consuming/stage.js';
import { stamped, stampOf } from './stamped.js';

afterEach(killLeftovers);

const FACT = 'order.paid:A';
const KEY = `fact:shipping:${FACT}`;
/** Short, so that a dead process's claim soon counts as unknown. */
const LEASE_MS = 300;

/** What a callback of the fact comes to, in a stage in which it is applied. */
const callBack = (store: IdempotencyStore, effects: string[], options?: EffectOptions) =>
  createCallbackReceiver({ store, consumer: 'shipping' })
    .receive(callbackHeadersOf(stampOf('shadow', FACT)), {})
    .effect(() => effects.push('callback'), options);

/** A handler that has the fact's effect, and notes what came of it. */
function applying(effects: string[], outcomes: unknown[]) {
  return {
    async 'order.paid'(_event: unknown, { effect }: HandlerContext) {
      outcomes.push(await effect(() => effects.push('event'), { waitMs: 0 }));
    },
  };
}

async function replay(at: Stage, edit?: ReplayOptions['edit']): Promise<void> {
  const ledger = openLedger(join(at.folder, 'replays.db'));
  at.defer(() => ledger.close());
  await startReplay(at.bus.transport, ledger, {
    queue: at.names.dlq,
    target: { kind: 'queue' },
    ...(edit && { edit }),
  });
}

function startDying(at: Stage, when: 'before' | 'after', side: 'callback' | 'event'): Child {
  const { url, names, folder } = at;
  const program = new URL('./programs/dying-side.mjs', import.meta.url).href;
  const broker = side === 'event' ? [url, names.exchange, names.queue] : [];
  return runProgram(program, when, side, join(folder, 'keys.db'), `${LEASE_MS}`, ...broker);
}

/** Sends the callback to a service that dies of it: its sender never gets an answer. */
async function callBackDying(service: Child): Promise<void> {
  const [, port] = (await service.printed('ready')).split(' ');
  const headers = callbackHeadersOf(stampOf('shadow', FACT));
  const sent = fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body: '{}' });
  await expect(sent).rejects.toThrow('fetch failed');
}

onBothBrokers('a service that is killed', (test, stage) => {
  test('in the effect of a callback: the event of the fact is not applied on top of it, but once somebody has looked', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    await callBackDying(startDying(at, 'before', 'callback'));
    const store = at.store();
    const effects: string[] = [];
    const outcomes: unknown[] = [];
    await consume(applying(effects, outcomes), { idempotency: store });
    await publish('order.paid', 'A', stampOf('live', FACT));
    const [letter] = await at.dead(1);
    expect(letter?.record).toMatchObject({ reason: 'effect-unknown' });
    expect(effects).toEqual([]);

    await resolveUnknown(store, KEY, 'did-not-happen');
    await replay(at);
    await eventually('the replayed one is handled', () => outcomes.length === 1);
    expect([outcomes, effects]).toEqual([[{ ran: true, value: 1 }], ['event']]);
  });

  test('between the effect of a callback and its answer: told again, on either path, the fact is known', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    await callBackDying(startDying(at, 'after', 'callback'));
    const store = at.store();
    const effects: string[] = [];
    const outcomes: unknown[] = [];
    expect(await callBack(store, effects)).toMatchObject({ ran: false, because: 'done' });
    await consume(applying(effects, outcomes), { idempotency: store });
    await publish('order.paid', 'A', stampOf('live', FACT));
    await eventually('the event is handled', () => outcomes.length === 1);
    expect(outcomes).toMatchObject([{ ran: false, because: 'done' }]);
    expect(effects).toEqual([]);
  });

  test('in the effect of an event, and called back after a flip: neither path has it on top of that', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    const dying = startDying(at, 'before', 'event');
    await dying.printed('ready');
    await publish('order.paid', 'A', stampOf('live', FACT));
    await dying.exited();
    const store = at.store();
    const effects: string[] = [];
    const outcomes: unknown[] = [];
    const codeOf = () =>
      callBack(store, effects, { waitMs: 0 }).then(
        () => 'applied',
        ({ code }: { code: string }) => code,
      );
    // Nobody can tell at first whether the other still lives.
    await eventually('its death is known', async () => {
      const code = await codeOf();
      expect(['busy', 'effect-unknown']).toContain(code);
      return code === 'effect-unknown';
    });
    await consume(applying(effects, outcomes), { idempotency: store });
    await at.dead(1);

    await resolveUnknown(store, KEY, 'happened');
    expect(await callBack(store, effects)).toMatchObject({ because: 'done' });
    await replay(at);
    await eventually('the replayed one is handled', () => outcomes.length === 1);
    expect(outcomes).toMatchObject([{ because: 'done' }]);
    expect(effects).toEqual([]);
  });
});

onBothBrokers('a dead letter', (test, stage) => {
  test('stamped live, whose job was told again by callback after a flip back: its replay finds the fact done', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    const store = at.store();
    const effects: string[] = [];
    const outcomes: unknown[] = [];
    let broken = true;
    const { 'order.paid': apply } = applying(effects, outcomes);
    await consume(
      {
        async 'order.paid'(event, context) {
          if (broken) throw new PermanentError('the carrier is gone');
          await apply(event, context);
        },
      },
      { idempotency: store },
    );
    await publish('order.paid', 'A', stampOf('live', FACT));
    await at.dead(1);
    expect(await callBack(store, effects)).toMatchObject({ ran: true });
    broken = false;
    await replay(at);
    await eventually('the replayed one is handled', () => outcomes.length === 1);
    expect(outcomes).toMatchObject([{ ran: false, because: 'done' }]);
    expect(effects).toEqual(['callback']);
  });

  test('stamped live, of two effects one of which happened: its replay has the other one only, though it is edited', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    const effects: string[] = [];
    let carrier = 'gone';
    let handled = 0;
    await consume(
      {
        async 'order.paid'({ data }, { effect }) {
          await effect(() => effects.push(`mail ${data.order}`), { name: 'mail' });
          await effect(() => {
            if (carrier === 'gone') throw new PermanentError('the carrier is gone');
            effects.push(`ship ${data.order}`);
          });
          handled++;
        },
      },
      { idempotency: at.store() },
    );
    await publish('order.paid', 'A', stampOf('live', FACT));
    await at.dead(1);
    carrier = 'back';
    // The stamp's fact stays: what was told is the same, however its body is mended.
    await replay(at, (outgoing) => ({ ...outgoing, body: Buffer.from('{"order":"A, mended"}') }));
    await eventually('the replayed one is handled', () => handled === 1);
    expect(effects).toEqual(['mail A', 'ship A, mended']);
  });

  test('stamped shadow, whose callback was refused for good, changes nothing when it is replayed in live; telling the fact again does', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    const effects: string[] = [];
    const outcomes: unknown[] = [];
    let broken = true;
    const { 'order.paid': apply } = applying(effects, outcomes);
    await consume(
      {
        async 'order.paid'(event, context) {
          if (broken) throw new PermanentError('a bug that shadow mode shows');
          await apply(event, context);
        },
      },
      { idempotency: at.store() },
    );
    await publish('order.paid', 'A', stampOf('shadow', FACT));
    await at.dead(1);
    broken = false;
    await replay(at);
    await eventually('the replayed one is handled', () => outcomes.length === 1);
    expect(outcomes).toEqual([{ ran: false, because: 'dry-run' }]);
    await publish('order.paid', 'A', stampOf('live', FACT));
    await eventually('the one of live is handled', () => outcomes.length === 2);
    expect(effects).toEqual(['event']);
  });

  test('replayed when its keys are forgotten has its effect again; with a longer keepMs it has not', async () => {
    const at = await stage();
    const { consume, publish } = stamped(at);
    let now = Date.now();
    const store = openIdempotencyStore(join(at.folder, 'keys.db'), { now: () => now });
    at.defer(() => store.close());
    const day = 24 * 60 * 60 * 1_000;
    const effects: string[] = [];
    let broken = true;
    let handled = 0;
    await consume(
      {
        async 'order.paid'(_event, { effect }) {
          await effect(() => effects.push('kept for 7 days'));
          await effect(() => effects.push('kept for 60'), { name: 'long', keepMs: 60 * day });
          if (broken) throw new PermanentError('the carrier is gone');
          handled++;
        },
      },
      { idempotency: store },
    );
    await publish('order.paid', 'A', stampOf('live', FACT));
    await at.dead(1);
    broken = false;
    now += 30 * day;
    await replay(at);
    await eventually('the replayed one is handled', () => handled === 1);
    expect(effects).toEqual(['kept for 7 days', 'kept for 60', 'kept for 7 days']);
  });
});
