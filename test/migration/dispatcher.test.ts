/** What a dispatcher does in each stage, what it waits for, and what makes it reject. Paths are stand-ins whose ends the tests decide. */
import { describe, expect, it } from 'vitest';
import { EventsError } from '../../src/core/errors.js';
import type { Envelope } from '../../src/core/events/envelope.js';
import { STAGES, type Stage } from '../../src/core/migration/stage.js';
import type { PublishOptions } from '../../src/core/publishing/publisher.js';
import { type DispatchTrouble, describeDispatchTrouble } from '../../src/migration/dispatched.js';
import { createDispatcher, type DispatcherOptions } from '../../src/migration/dispatcher.js';
import { type AtmaEvents, atma } from '../../src/presets/atma.js';
import { eventually, gate, within } from '../await.js';

const { catalog, callbacks: routes = [] } = atma.build({});

const JOB = '3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b';
const USER = '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d';
const RESULT = '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed';
const FACT = `analysis.completed:${JOB}:${RESULT}`;
const TIME = Date.UTC(2026, 10, 20, 8);

const completed = {
  jobId: JOB,
  userId: USER,
  userEmail: 'user@example.com',
  resultId: RESULT,
  metadata: { assessmentName: 'Talent', processingTime: 5 },
};
const failed = { ...completed, resultId: null, errorMessage: 'AI did not answer' };
const started = { ...completed, resultId: null, metadata: { assessmentName: 'Talent' } };

interface Published {
  readonly type: string;
  readonly data: unknown;
  readonly options: PublishOptions | undefined;
}

interface Sent {
  readonly service: string;
  readonly path: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>> | undefined;
}

/** A dispatcher in one stage, and what went out on both paths. */
function stand(stage: Stage, options: Partial<DispatcherOptions<AtmaEvents>> = {}) {
  const published: Published[] = [];
  const sent: Sent[] = [];
  const asked: (string | undefined)[] = [];
  const troubles: DispatchTrouble[] = [];
  /** What each path does with the next ones; by default it takes them. */
  const path = {
    publish: async (): Promise<void> => undefined,
    send: async (_service: string): Promise<number> => 200,
  };
  const dispatcher = createDispatcher({
    catalog,
    routes,
    stages: {
      decide(job) {
        asked.push(job);
        return { stage, epoch: 7, inSample: false };
      },
    },
    publisher: {
      async publish(type, data, publishing) {
        published.push({ type, data, options: publishing });
        await path.publish();
        return { id: publishing?.id, type, data } as unknown as Envelope<typeof type, typeof data>;
      },
    },
    callbacks: {
      async send({ service, path: where, body, headers }) {
        sent.push({ service, path: where, body, headers });
        return { status: await path.send(service), attempts: 1, tookMs: 1, requestId: 'r' };
      },
    },
    onTrouble: (trouble) => troubles.push(trouble),
    now: () => TIME,
    ...options,
  });
  return { dispatcher, published, sent, asked, troubles, path };
}

const inSample = (stage: Stage) => ({ stages: { decide: () => ({ stage, epoch: 7, inSample: true }) } });
const refusal = () => new EventsError('callback-refused', 'notification answered 400');

describe('a dispatcher sends, in each stage,', () => {
  const table = [
    // stage, in the sample, callbacks' x-dry-run, event's x-dry-run, x-migration-callbacks of the event
    ['off', false, 'false', undefined, undefined],
    ['publish', false, 'false', 'true', 'sent'],
    ['shadow', false, 'false', 'true', 'sent'],
    ['live', false, 'true', 'false', 'sent'],
    ['rampdown', false, undefined, 'false', 'not-sent'],
    ['rampdown', true, 'true', 'false', 'sent'],
    ['complete', true, undefined, 'false', 'not-sent'],
  ] as const;

  it('every stage is in the table', () => {
    expect(new Set(table.map(([stage]) => stage))).toEqual(new Set(STAGES));
  });

  it.each(table)(
    '%s (in the sample: %s): callbacks %s, event %s',
    async (stage, sample, dry, eventDry, told) => {
      const { dispatcher, published, sent, troubles } = stand(stage, sample ? inSample(stage) : {});
      const result = await dispatcher.analysisCompleted(completed);
      await dispatcher.close();

      const outcome = dry === undefined ? 'not-sent' : dry === 'true' ? 'queued' : 'sent';
      const status = outcome === 'sent' ? { status: 200 } : {};
      expect(result).toEqual({
        stage,
        epoch: 7,
        fact: FACT,
        event: eventDry === undefined ? 'none' : 'stored',
        callbacks: [
          { service: 'notification', outcome, ...status },
          { service: 'assessment', outcome, ...status },
        ],
      });
      const stamp = { 'x-migration-stage': stage, 'idempotency-key': FACT };
      const headers = { ...stamp, 'x-migration-epoch': '7', 'x-dry-run': dry };
      expect(sent).toEqual(
        dry === undefined
          ? []
          : [
              {
                service: 'notification',
                path: '/notifications/analysis-complete',
                body: { userId: USER, jobId: JOB, resultId: RESULT, status: 'completed' },
                headers,
              },
              {
                service: 'assessment',
                path: '/assessments/callback/completed',
                body: { jobId: JOB, resultId: RESULT, status: 'completed' },
                headers,
              },
            ],
      );
      expect(published).toEqual(
        eventDry === undefined
          ? []
          : [
              {
                type: 'analysis.completed',
                data: completed,
                options: {
                  time: new Date(TIME),
                  headers: {
                    ...stamp,
                    'x-migration-epoch': 7,
                    'x-dry-run': eventDry,
                    'x-migration-callbacks': told,
                  },
                },
              },
            ],
      );
      expect(troubles).toEqual([]);
    },
  );

  it('an event without callbacks on one path only, and says that there are none', async () => {
    const { dispatcher, published, sent } = stand('shadow');
    expect(await dispatcher.analysisStarted(started)).toMatchObject({ event: 'stored', callbacks: [] });
    expect(published[0]?.options?.headers).toMatchObject({ 'x-migration-callbacks': 'not-sent' });
    expect(sent).toEqual([]);
  });

  it('what one decision says, made once per fact and by its job', async () => {
    const { dispatcher, asked } = stand('live');
    await dispatcher.dispatch('analysis.failed', failed);
    expect(asked).toEqual([JOB]);
    expect(dispatcher.state()).toMatchObject({ decisions: { live: 1 } });
  });
});

describe('where callbacks count, a dispatch', () => {
  it.each(['off', 'publish', 'shadow'] as const)(
    'rejects in %s when one of them failed, once all were tried',
    async (stage) => {
      const { dispatcher, path, sent, published } = stand(stage);
      path.send = async (service) => {
        if (service === 'notification') throw refusal();
        return 200;
      };
      const rejected = expect(dispatcher.analysisCompleted(completed)).rejects;
      await rejected.toMatchObject({
        code: 'callback-refused',
        message: `1 of 2 callbacks of analysis.completed (${FACT}) failed: notification: notification answered 400`,
        cause: { errors: [refusal()] },
      });
      expect(sent).toHaveLength(2);
      expect(published).toHaveLength(stage === 'off' ? 0 : 1);
    },
  );

  it.each(['publish', 'shadow'] as const)(
    'resolves in %s although the event cannot be stored, and tells it',
    async (stage) => {
      const { dispatcher, path, troubles } = stand(stage);
      const full = new EventsError('storage', 'disk full');
      path.publish = () => Promise.reject(full);
      expect(await dispatcher.analysisCompleted(completed)).toMatchObject({
        event: 'failed',
        callbacks: [{ outcome: 'sent' }, { outcome: 'sent' }],
      });
      expect(troubles).toEqual([
        { kind: 'event-failed', type: 'analysis.completed', fact: FACT, stage, error: full },
      ]);
    },
  );

  it('does not wait longer for the event than it is allowed to, and tells how it ended afterwards', async () => {
    const { dispatcher, path, troubles } = stand('shadow', { eventWaitMs: 1 });
    const stuck = gate();
    path.publish = () => stuck.opened.then(() => Promise.reject(new EventsError('storage', 'late')));
    expect(await within('the dispatch', dispatcher.analysisCompleted(completed))).toMatchObject({
      event: 'pending',
    });
    const closed = dispatcher.close();
    stuck.open();
    await closed;
    expect(troubles).toMatchObject([{ kind: 'event-failed' }]);
  });

  it.each(['off', 'publish', 'shadow'] as const)(
    'sends in %s the callbacks of data that are no valid event, and tells it',
    async (stage) => {
      const { dispatcher, sent, published, troubles } = stand(stage);
      const result = await dispatcher.analysisCompleted({ ...completed, userEmail: 'nobody' });
      expect(result).toMatchObject({ fact: FACT, event: stage === 'off' ? 'none' : 'failed' });
      expect(sent).toHaveLength(2);
      expect(published).toEqual([]);
      expect(troubles).toMatchObject([
        { kind: 'event-invalid', stage, fact: FACT, error: { code: 'event-invalid' } },
      ]);
      expect(troubles.map(describeDispatchTrouble)).toEqual([
        `analysis.completed (${FACT}, ${stage}): the callbacks go out, but these data are no valid event and will be refused from live on: Not a valid analysis.completed: userEmail: expected an e-mail address`,
      ]);
    },
  );

  it('gives data without what names their fact a key of their own, so that none is taken for another', async () => {
    const { dispatcher, sent, asked } = stand('off', { randomId: () => 'random' });
    const { resultId: _, ...unnamed } = completed;
    const data = unnamed as typeof completed;
    expect(await dispatcher.analysisCompleted(data)).toMatchObject({
      fact: `${JOB}-analysis.completed-${TIME}`,
    });
    expect(sent[1]?.body).toEqual({ jobId: JOB, status: 'completed' });
    expect(dispatcher.factOf('analysis.completed', data)).toBeUndefined();
    // Nothing to read a name from at all.
    const nothing = undefined as unknown as typeof completed;
    expect(await dispatcher.analysisCompleted(nothing)).toMatchObject({ fact: 'random' });
    expect(asked).toEqual([JOB, undefined]);
  });

  it('passes a signal on to the callbacks', async () => {
    const signals: unknown[] = [];
    const { dispatcher } = stand('off', {
      callbacks: {
        async send({ signal }) {
          signals.push(signal);
          return { status: 200, attempts: 1, tookMs: 1, requestId: 'r' };
        },
      },
    });
    const { signal } = new AbortController();
    await dispatcher.analysisCompleted(completed, { signal });
    expect(signals).toEqual([signal, signal]);
  });
});

describe('where events count, a dispatch', () => {
  it.each(['live', 'rampdown', 'complete'] as const)(
    'rejects in %s when the event was not stored, and sends no callback',
    async (stage) => {
      const { dispatcher, path, sent } = stand(stage, inSample(stage));
      path.publish = () => Promise.reject(new EventsError('storage', 'disk full'));
      await expect(dispatcher.analysisFailed(failed)).rejects.toMatchObject({ code: 'storage' });
      await dispatcher.close();
      expect(sent).toEqual([]);
    },
  );

  it.each(['live', 'rampdown', 'complete'] as const)(
    'rejects in %s data that are no valid event, before anything is sent',
    async (stage) => {
      const { dispatcher, sent, published, troubles } = stand(stage, inSample(stage));
      const rejected = expect(dispatcher.analysisCompleted({ ...completed, userEmail: 'nobody' })).rejects;
      await rejected.toMatchObject({ code: 'event-invalid', issues: [{ path: 'userEmail' }] });
      await dispatcher.close();
      expect([sent, published, troubles]).toEqual([[], [], []]);
    },
  );

  it('resolves while its callbacks still hang; closing waits for them', async () => {
    const { dispatcher, path } = stand('live');
    const hang = gate();
    path.send = () => hang.opened.then(() => 200);
    expect(await within('the dispatch', dispatcher.analysisCompleted(completed))).toMatchObject({
      callbacks: [{ outcome: 'queued' }, { outcome: 'queued' }],
    });
    expect(dispatcher.state()).toMatchObject({ open: 0, backlog: 1 });
    let closed = false;
    const closing = dispatcher.close().then(() => {
      closed = true;
    });
    await Promise.resolve();
    expect(closed).toBe(false);
    hang.open();
    await closing;
    expect(dispatcher.state()).toMatchObject({ backlog: 0 });
  });

  it('tells of callbacks in dry run that failed, and resolves', async () => {
    const { dispatcher, path, troubles } = stand('live');
    path.send = () => Promise.reject(refusal());
    await dispatcher.analysisCompleted(completed);
    await dispatcher.close();
    expect(troubles).toMatchObject([
      {
        kind: 'callback-failed',
        service: 'notification',
        stage: 'live',
        error: { code: 'callback-refused' },
      },
      { kind: 'callback-failed', service: 'assessment' },
    ]);
  });

  it('sends no callbacks above the backlog, says so on the event, tells and counts it', async () => {
    const { dispatcher, path, troubles, published, sent } = stand('live', { maxBacklog: 2 });
    const hang = gate();
    const store = gate();
    path.send = () => hang.opened.then(() => 200);
    path.publish = () => store.opened;
    // All three decide before any event is stored: room is taken when a dispatch begins.
    const three = [1, 2, 3].map(() => dispatcher.analysisCompleted(completed));
    store.open();
    const outcomes = (await Promise.all(three)).map(({ callbacks }) => callbacks[0]?.outcome);
    expect(outcomes).toEqual(['queued', 'queued', 'not-sent']);
    const told = published.map(({ options }) => options?.headers?.['x-migration-callbacks']);
    expect(told).toEqual(['sent', 'sent', 'not-sent']);
    expect(troubles).toMatchObject([{ kind: 'callbacks-skipped', backlog: 2, fact: FACT }]);
    expect(dispatcher.state()).toMatchObject({ backlog: 2, skipped: 1 });
    hang.open();
    await eventually('room', () => dispatcher.state().backlog === 0);
    expect(sent).toHaveLength(4);
    await dispatcher.analysisCompleted(completed);
    expect(sent).toHaveLength(6);
  });
});

describe('a dispatcher', () => {
  it('refuses events that the catalog does not know, in any stage', async () => {
    const { dispatcher, sent } = stand('off');
    const unknown = 'analysis.complete' as 'analysis.completed';
    await expect(dispatcher.dispatch(unknown, completed)).rejects.toMatchObject({
      code: 'event-unknown',
      hint: 'Did you mean "analysis.completed"?',
    });
    expect(sent).toEqual([]);
  });

  it('takes nothing once it is closing, and waits for what it took', async () => {
    const { dispatcher, path } = stand('off');
    const hang = gate();
    path.send = () => hang.opened.then(() => 200);
    const taken = dispatcher.analysisCompleted(completed);
    expect(dispatcher.state()).toMatchObject({ open: 1 });
    const closed = dispatcher.close();
    await expect(dispatcher.analysisCompleted(completed)).rejects.toMatchObject({ code: 'closed' });
    hang.open();
    await closed;
    expect(await taken).toMatchObject({ event: 'none' });
  });

  it('closes at its deadline, whatever still hangs', async () => {
    const { dispatcher, path } = stand('live');
    path.send = () => new Promise(() => undefined);
    await dispatcher.analysisCompleted(completed);
    await within('closing', dispatcher.close({ deadlineMs: 1 }));
    expect(dispatcher.state()).toMatchObject({ backlog: 1 });
  });

  it('is not created with a callback of an event that the catalog does not have', () => {
    const route = { ...routes[0], eventType: 'analysis.gone' } as (typeof routes)[number];
    expect(() => stand('off', { routes: [route] })).toThrow(
      'A callback to notification belongs to "analysis.gone", which is not in the catalog',
    );
  });
});
