/** The callbacks of ATMA, field by field as the worker sends them today. */
import { describe, expect, it } from 'vitest';
import { bodyOf } from '../../src/core/migration/callback-body.js';
import { atma } from '../../src/presets/atma.js';
import { atmaCallbacks } from '../../src/presets/atma-callbacks.js';

const DATA = {
  jobId: 'job-1',
  userId: 'user-1',
  userEmail: 'budi@example.com',
  resultId: 'result-1',
  errorMessage: 'AI service did not answer in time',
  metadata: { assessmentName: 'AI-Driven Talent Mapping', processingTime: 5000 },
};

/** As text, because the order of the fields counts, too. */
function sent(eventType: string, service: string, data: unknown = DATA): string | undefined {
  const route = atmaCallbacks.find((each) => each.eventType === eventType && each.service === service);
  return route && `${route.method} ${route.path} ${JSON.stringify(bodyOf(route, data))}`;
}

describe('the callbacks of ATMA', () => {
  it('are four, to two services, with the bodies that the worker sends', () => {
    expect(sent('analysis.completed', 'notification')).toBe(
      'POST /notifications/analysis-complete {"userId":"user-1","jobId":"job-1","resultId":"result-1","status":"completed"}',
    );
    expect(sent('analysis.failed', 'notification')).toBe(
      'POST /notifications/analysis-failed {"userId":"user-1","jobId":"job-1","errorMessage":"AI service did not answer in time","status":"failed"}',
    );
    expect(sent('analysis.completed', 'assessment')).toBe(
      'POST /assessments/callback/completed {"jobId":"job-1","resultId":"result-1","status":"completed"}',
    );
    expect(sent('analysis.failed', 'assessment')).toBe(
      'POST /assessments/callback/failed {"jobId":"job-1","resultId":"result-1","status":"failed","errorMessage":"AI service did not answer in time"}',
    );
    expect(atmaCallbacks).toHaveLength(4);
  });

  it('say null where the event does, and leave out what it leaves out', () => {
    expect(sent('analysis.failed', 'assessment', { ...DATA, resultId: null })).toContain('"resultId":null');
    const { resultId: _, ...without } = DATA;
    expect(sent('analysis.failed', 'assessment', without)).toBe(
      'POST /assessments/callback/failed {"jobId":"job-1","status":"failed","errorMessage":"AI service did not answer in time"}',
    );
  });

  it('never hold an e-mail address', () => {
    for (const route of atmaCallbacks) expect(JSON.stringify(bodyOf(route, DATA))).not.toContain('@');
  });

  it('are the ones that shadow mode compares', () => {
    const { callbacks, shadow, catalog } = atma.build({});
    const key = (eventType: string, service: string, path: string) => `${eventType} ${service} ${path}`;
    const compared = shadow?.legs.flatMap(({ eventType, consumer, callback }) =>
      callback === undefined ? [] : [key(eventType, consumer, callback.path)],
    );
    expect(
      callbacks?.map(({ eventType, service, path }) => key(eventType, service, path)).toSorted(),
    ).toEqual(compared?.toSorted());
    for (const { eventType } of callbacks ?? []) expect(catalog.find(eventType)).toBeDefined();
  });
});

describe('a body', () => {
  const bodyFrom = (body: Parameters<typeof bodyOf>[0]['body'], data: unknown) => bodyOf({ body }, data);

  it('takes the first path that is there, however deep; null is there', () => {
    const body = { a: ['x.y', 'z'], b: ['missing', 'none'], c: ['missing', 'z'] };
    expect(bodyFrom(body, { x: { y: 1 }, z: 2, none: null })).toEqual({ a: 1, b: null, c: 2 });
  });

  it('takes constants as they are', () => {
    expect(bodyFrom({ a: { constant: null }, b: { constant: false }, c: { constant: 0 } }, {})).toEqual({
      a: null,
      b: false,
      c: 0,
    });
  });

  it('is empty for data that is not what it should be, and knows own fields only', () => {
    const body = { a: ['constructor'], b: ['x.y.z'], c: ['toString.name'] };
    for (const data of [null, undefined, 'text', 7, [], {}, { x: { y: 'z' } }])
      expect(bodyFrom(body, data)).toEqual({});
  });
});
