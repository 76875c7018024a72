/** What somebody says about a body must not bring its values into the store. */
import { describe, expect, test } from 'vitest';
import { explain } from '../../src/shadow/explain.js';
import { compileMapping } from '../../src/shadow/mapping.js';
import { UNKNOWN_STATUS } from '../../src/shadow/observation.js';
import { observeCallback, readCallback } from '../../src/shadow/observe-callback.js';
import { observeEvent, readEvent } from '../../src/shadow/observe-event.js';
import { redactWords } from '../../src/shadow/redact-words.js';
import { shortText } from '../../src/shadow/values.js';
import { MAPPING, SHADOW, TOPOLOGY } from './scene.js';

const PATHS = [['userEmail'], ['user', 'name']];

describe('words about a body', () => {
  const body = { userEmail: 'budi at example', user: { name: 'Budi "B" S', phones: ['0812'] }, n: 7 };

  test.each([
    ['a value as it is', 'no user budi at example here', 'no user (redacted) here'],
    [
      'a value as JSON escapes it',
      '{"error":"Budi \\"B\\" S is unknown"}',
      '{"error":"(redacted) is unknown"}',
    ],
    [
      'a field of that name, whatever it holds',
      '{"userEmail":"someone else","n":7}',
      '{"userEmail":(redacted),"n":7}',
    ],
    ['the same name in snake case', '{"user_email" : 42}', '{"user_email" : (redacted)}'],
    ['a field within another', '{"a":[{"userEmail":"someone else"}]}', '{"a":[{"userEmail":(redacted)}]}'],
    ['a field whose text was cut', '{"n":7,"userEmail":"someone el', '{"n":7,"userEmail":(redacted)'],
    ['an object, with all that follows', '{"n":7,"name":{"first":"Siti"},"z":1}', '{"n":7,"name":(redacted)'],
  ])('lose %s', (_, words, expected) => {
    expect(redactWords(words, body, PATHS)).toBe(expected);
  });

  test('lose every value below a redacted path, the longer first', () => {
    const nested = { user: { name: 'Ana', last: 'Anabel' } };
    expect(redactWords('Anabel or Ana', nested, [['user']])).toBe('(redacted) or (redacted)');
    expect(redactWords('0812', body, [['user']])).toBe('(redacted)');
  });

  test('stay as they are where nothing is redacted', () => {
    const words = '{"userEmail":"x"}';
    expect(redactWords(words, body, [])).toBe(words);
    expect(redactWords('{"error":"n must be 8"}', body, PATHS)).toBe('{"error":"n must be 8"}');
  });

  test('lose what is named like a secret, whatever a mapping says', () => {
    const words =
      '{"X-Service-Key":"s3cret","headers":{"Authorization":"Bearer s3cret"},"password":"s3cret","tokens":1}';
    expect(redactWords(words, body, [])).toBe(
      '{"X-Service-Key":(redacted),"headers":{"Authorization":(redacted)},"password":(redacted),"tokens":1}',
    );
  });

  test('of any length end quickly', () => {
    const words = `{"userEmail":"${'\\"'.repeat(200_000)}`;
    expect(redactWords(words, body, PATHS)).toBe('{"userEmail":(redacted)');
  });
});

describe('what is kept of words', () => {
  test('has no password of a URL', () => {
    expect(shortText('cannot reach amqp://worker:s3cret@broker:5672/')).toBe(
      'cannot reach amqp://worker:***@broker:5672/',
    );
  });

  test('has no address, also of one that the cut goes through', () => {
    for (let before = 150; before < 215; before++) {
      const text = shortText(`${'x'.repeat(before)} budi.santoso@mail.example.com and more`);
      expect(text).not.toMatch(/budi\.santoso@|santoso/);
      expect(text.length).toBeLessThanOrEqual(201);
    }
  });
});

const mapping = compileMapping({ ...SHADOW, redact: ['userEmail', 'resultId'] }, TOPOLOGY);
const AT = '2024-01-01T00:00:00Z';

function callback(change: object) {
  const body = { jobId: 'job-1', resultId: 'geheim-77', userEmail: 'nobody', status: 'completed' };
  const path = '/assessments/callback/completed';
  const record = readCallback({ at: AT, method: 'POST', path, body, status: 400, ...change });
  const [one] = observeCallback(mapping, record, 'proxy', 1).observations;
  if (one === undefined) throw new Error('no observation');
  return one;
}

describe('an observation', () => {
  test('of a refused callback holds the answer without what is redacted', () => {
    const answer = '{"message":"geheim-77 unknown, ask siti@example.com","result_id":"another"}';
    expect(callback({ answer }).words).toBe(
      '{"message":"(redacted) unknown, ask ***@example.com","result_id":(redacted)}',
    );
  });

  test('of an invalid event holds what is wrong without what is redacted', () => {
    const errors = [{ path: 'resultId', message: 'expected a UUID, got "geheim-77"' }];
    const event = { jobId: 'job-1', resultId: 'geheim-77' };
    const record = readEvent({
      ...{ receivedAt: AT, exchange: 'atma_events_exchange', routingKey: 'analysis.completed' },
      ...{ type: 'analysis.completed', messageId: 'm', headers: {}, valid: false, errors, event },
    });
    const [one] = observeEvent(mapping, record, 'taps', 1).observations;
    expect(one?.words).toContain('resultId: expected a UUID, got "(redacted)"');
  });

  test('shows no value of a field above a redacted path', () => {
    const [leg, ...rest] = SHADOW.legs;
    if (leg === undefined) throw new Error('no leg');
    const fields = [...(leg.fields ?? []), { name: 'user', callback: ['user'], event: ['user'] }];
    const own = compileMapping({ legs: [{ ...leg, fields }, ...rest], redact: ['user.name'] }, TOPOLOGY);
    expect(own.legs[0]?.fields.find(({ name }) => name === 'user')?.redacted).toBe(true);
  });
});

describe('a callback without an answer', () => {
  const explained = (change: object) => {
    const { status, words } = callback({ status: null, ...change });
    const details = {
      kind: 'refused',
      status,
      times: 1,
      drifts: [],
      ...(words !== undefined && { words }),
    } as const;
    const leg = MAPPING.legs.findIndex(
      ({ consumer, eventType }) => consumer === 'assessment' && eventType === 'analysis.completed',
    );
    return { status, ...explain(MAPPING, leg, details) };
  };

  test('says that its receiver was not reached, and why', () => {
    expect(explained({ failure: 'unreachable', cause: 'ECONNREFUSED' })).toMatchObject({
      status: 0,
      says: 'The assessment service did not answer POST /assessments/callback/completed: it could not be connected to (ECONNREFUSED).',
    });
  });

  test.each([
    ['client-gone', 'The caller went away'],
    ['stopped', 'The proxy was stopped'],
  ])('because of %s is not known to be refused, and says so', (failure, who) => {
    expect(explained({ failure })).toMatchObject({
      status: UNKNOWN_STATUS,
      says: `${who} before the assessment service had answered POST /assessments/callback/completed: whether it was accepted is not known.`,
    });
  });

  test('that was answered before its caller went has that answer', () => {
    expect(callback({ status: 200, failure: 'client-gone' })).toMatchObject({
      status: 200,
      words: undefined,
    });
  });
});
