/** One fact on both paths of a service: its effect happens once, whichever path is first. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import {
  callbackHeadersOf,
  createCallbackReceiver,
  type IdempotencyStore,
  type Stamp,
} from '../../../src/index.js';
import { eventually, gate, within } from '../../await.js';
import { killLeftovers, runProgram } from '../../transports/embedded/child.js';
import { onBothBrokers } from '../consuming/stage.js';
import { stamped, stampOf } from './stamped.js';

/** Facts that two processes are told at once. */
const FACTS = 120;
const AT_A_TIME = 8;

const receiverOn = (store: IdempotencyStore) =>
  createCallbackReceiver<{ order: string }>({
    store,
    consumer: 'shipping',
    fact: ({ order }) => `order.paid:${order}`,
  });

const stampA = (stage: Stamp['stage']) => stampOf(stage, 'order.paid:A');

/** A job that was told again after a flip, or before there were stamps: both paths are to apply it. */
const TOLD_TWICE: readonly (readonly [string, { readonly callback?: Stamp; readonly event?: Stamp }])[] = [
  [
    'stamped shadow on its callback and live on its event',
    { callback: stampA('shadow'), event: stampA('live') },
  ],
  ['without a stamp on either path', {}],
  ['without a stamp on its callback', { event: stampA('live') }],
  ['without a stamp on its event', { callback: stampA('shadow') }],
];

const headersOf = (stamp: Stamp | undefined) => (stamp === undefined ? {} : callbackHeadersOf(stamp));

onBothBrokers('a fact on both paths', (test, stage) => {
  test.each(TOLD_TWICE)(
    '%s: its effect happens once when the callback is first',
    async (_what, { callback, event }) => {
      const at = await stage();
      const { consume, publish } = stamped(at);
      const idempotency = at.store();
      const effects: string[] = [];
      const outcomes: unknown[] = [];
      const { effect } = receiverOn(idempotency).receive(headersOf(callback), { order: 'A' });
      expect(await effect(() => effects.push('callback'))).toEqual({ ran: true, value: 1 });
      await consume(
        {
          async 'order.paid'(_event, context) {
            outcomes.push(await context.effect(() => effects.push('event')));
          },
        },
        { idempotency },
      );
      await publish('order.paid', 'A', event);
      await eventually('the event is handled', () => outcomes.length === 1);
      expect(outcomes).toMatchObject([{ ran: false, because: 'done' }]);
      expect(effects).toEqual(['callback']);
    },
  );

  test.each(TOLD_TWICE)(
    '%s: its effect happens once when the event is first',
    async (_what, { callback, event }) => {
      const at = await stage();
      const { consume, publish } = stamped(at);
      const idempotency = at.store();
      const effects: string[] = [];
      const begun = gate();
      const mayEnd = gate();
      await consume(
        {
          async 'order.paid'(_event, { effect }) {
            await effect(async () => {
              begun.open();
              await mayEnd.opened;
              effects.push('event');
            });
          },
        },
        { idempotency },
      );
      await publish('order.paid', 'A', event);
      await within('the effect begins', begun.opened);
      // While the consumer is at it, the callback waits to see what comes of it.
      const { effect } = receiverOn(idempotency).receive(headersOf(callback), { order: 'A' });
      const outcome = effect(() => effects.push('callback'));
      mayEnd.open();
      expect(await within('the callback is answered', outcome)).toMatchObject({
        ran: false,
        because: 'done',
      });
      expect(effects).toEqual(['event']);
    },
  );

  afterEach(killLeftovers);

  test(`of ${FACTS} facts told at once to two processes each has its effect once`, async () => {
    const at = await stage();
    const { publish } = stamped(at);
    const storePath = join(at.folder, 'shared.db');
    const file = join(at.folder, 'effects');
    const program = (name: string, ...args: string[]) =>
      runProgram(new URL(`./programs/${name}`, import.meta.url).href, ...args);
    const events = program('event-side.mjs', at.url, at.names.exchange, at.names.queue, storePath, file);
    const callbacks = program('callback-side.mjs', storePath, file);
    const [, port] = (await callbacks.printed('ready')).split(' ');
    await events.printed('ready');

    // By turns: a flip between the two paths (both apply), no stamps (both apply), live (the event applies).
    const stampsOf = (n: number): readonly [Stamp | undefined, Stamp | undefined] => {
      const live = stampOf('live', `order.paid:${n}`);
      if (n % 3 === 0) return [stampOf('shadow', `order.paid:${n}`), live];
      return n % 3 === 1 ? [undefined, undefined] : [live, live];
    };
    const tell = async (n: number) => {
      const [callback, event] = stampsOf(n);
      const request = fetch(`http://127.0.0.1:${port}/`, {
        method: 'POST',
        headers: headersOf(callback),
        body: JSON.stringify({ order: `${n}` }),
      });
      const [response] = await Promise.all([request, publish('order.paid', `${n}`, event)]);
      return { status: response.status, outcome: (await response.json()) as { ran: boolean } };
    };
    // A few at a time, so that callback and event of one fact are under way together.
    const answers: Awaited<ReturnType<typeof tell>>[] = [];
    const turn = async (first: number) => {
      for (let n = first; n < FACTS; n += AT_A_TIME) answers[n] = await tell(n);
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, (_, first) => turn(first)));
    await eventually('all events are handled', () => events.lines.length === FACTS + 1);

    const effects = readFileSync(file, 'utf8').trimEnd().split('\n');
    const sideOf = new Map(effects.map((line) => line.split(' ') as [string, string]));
    expect(effects).toHaveLength(FACTS);
    expect(sideOf.size).toBe(FACTS);
    for (const [n, { status, outcome }] of answers.entries()) {
      expect(status).toBe(200);
      if (n % 3 === 2) {
        expect(outcome).toEqual({ ran: false, because: 'dry-run' });
        expect(sideOf.get(`${n}`)).toBe('event');
      } else expect(sideOf.get(`${n}`)).toBe(outcome.ran ? 'callback' : 'event');
    }
    const ran = (side: string) => effects.filter((line) => line.endsWith(` ${side}`)).length;
    console.log(
      `${at.kind}: ${FACTS} facts on two paths in two processes, ${ran('callback')} effects by callbacks, ` +
        `${ran('event')} by events, 0 twice`,
    );
  });
});
