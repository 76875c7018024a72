import { describe, expect, it } from 'vitest';
import { fingerprintOf } from '../../src/core/consuming/failure-record.js';
import type { Headers, ReceivedMessage } from '../../src/core/message.js';
import { createGrouping, groupOf, idOf, readDeadLetter } from '../../src/dead-letters/groups.js';
import { atma } from '../../src/presets/atma.js';
import { deadLetter, death, failed, fixture } from './letters.js';

const { catalog } = atma.build({});
const DLQ = 'dlq';
const read = (message: ReceivedMessage) => readDeadLetter(catalog, message, DLQ);
const named = (headers: Headers, type = 'analysis.completed') =>
  groupOf(read(deadLetter(headers, { properties: { type } })));

describe('a group', () => {
  it('is named by eight hexadecimal digits of event type, reason and fingerprint', () => {
    expect(named(failed())).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}$/),
      type: 'analysis.completed',
      reason: 'exhausted',
      fingerprint: 'f2d62b03a986',
    });
    expect(named(failed())).toEqual(
      named(failed({ message: 'told otherwise', queue: 'another', attempts: 2 })),
    );
  });

  it('differs by each of the three', () => {
    const names = [
      named(failed()),
      named(failed(), 'analysis.failed'),
      named(failed({ reason: 'permanent' })),
      named(failed({ fingerprint: '000000000000' })),
      named({ 'x-death': [death('a', 'rejected', 1)] }),
      named({ 'x-death': [death('b', 'rejected', 1)] }),
      named({ 'x-death': [death('a', 'expired', 1)] }),
      named({}),
    ];
    expect(new Set(names.map(({ id }) => id)).size).toBe(names.length);
  });

  it('without a failure record stands for failed queue and reason', () => {
    const first = named({ 'x-death': [death('q', 'rejected', 1)] });
    const later = named({ 'x-death': [death('q', 'rejected', 99, { count: 7 })] });
    expect(later).toEqual(first);
  });
});

describe('grouping', () => {
  it('counts, and keeps first and last time and the first one as an example', () => {
    const grouping = createGrouping();
    const at = (lastFailedAt: string, messageId: string) =>
      grouping.add(
        read(
          deadLetter(failed({ firstFailedAt: lastFailedAt, lastFailedAt, queue: `q-${messageId}` }), {
            properties: { messageId, type: 'analysis.completed' },
          }),
        ),
      );
    at('2026-01-02T00:00:00.000Z', 'm-1');
    at('2026-01-01T00:00:00.000Z', 'm-2');
    at('2026-01-03T00:00:00.000Z', 'm-3');
    expect(grouping.groups()).toMatchObject([
      {
        count: 3,
        first: '2026-01-01T00:00:00.000Z',
        last: '2026-01-03T00:00:00.000Z',
        example: 'm-1',
        failedQueues: ['q-m-1', 'q-m-2', 'q-m-3'],
        exception: 'TypeError',
      },
    ]);
  });

  it('puts the largest group first', () => {
    const grouping = createGrouping();
    for (const message of fixture('analysis_events_notifications_dlq')) {
      grouping.add(readDeadLetter(catalog, { ...message, redelivered: false }, DLQ));
    }
    expect(grouping.groups().map(({ type, reason, count }) => [type, reason, count])).toEqual([
      ['analysis.completed', 'exhausted', 4],
      ['analysis.failed', 'permanent', 2],
      ['analysis.failed', 'invalid', 1],
    ]);
  });

  it('holds one group for a fixture of seven jobs that one queue rejected', () => {
    const grouping = createGrouping();
    for (const message of fixture('assessment_analysis_dlq')) {
      grouping.add(readDeadLetter(catalog, { ...message, redelivered: false }, 'assessment_analysis_dlq'));
    }
    expect(grouping.groups()).toMatchObject([
      {
        count: 7,
        type: 'analysis.process',
        reason: 'rejected',
        failedQueues: ['assessment_analysis'],
        first: '2026-01-31T23:00:00.000Z',
        last: '2026-02-01T00:03:42.000Z',
      },
    ]);
  });

  it('stays small, whatever a message claims to be', () => {
    const grouping = createGrouping();
    const body = Buffer.from(JSON.stringify({ eventType: 'x'.repeat(1_000_000) }));
    grouping.add(read(deadLetter(failed({ message: 'y'.repeat(100_000) }), { body })));
    expect(JSON.stringify(grouping.groups()).length).toBeLessThan(2_000);
  });

  it('takes 100,000 messages of one group in well under 200 MB', () => {
    const grouping = createGrouping();
    const { heapUsed } = process.memoryUsage();
    for (let n = 0; n < 100_000; n++) {
      const body = Buffer.from(`{"eventType":"analysis.completed","jobId":"${n}"}`);
      grouping.add(read(deadLetter(failed(), { body, properties: { messageId: `m-${n}` } })));
    }
    expect(grouping.groups()).toMatchObject([{ count: 100_000 }]);
    expect((process.memoryUsage().heapUsed - heapUsed) / 1e6).toBeLessThan(150);
  });
});

describe('the id of a dead letter', () => {
  it('is its message id, else a hash of its body', () => {
    expect(idOf(deadLetter({}, { properties: { messageId: 'm-1' } }))).toBe('m-1');
    const made = idOf(deadLetter({}, { body: Buffer.from('x') }));
    expect(made).toBe('sha256-2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881');
  });
});

describe('the fixtures', () => {
  it('carry the fingerprints that the consumer would give', () => {
    for (const message of fixture('analysis_events_notifications_dlq')) {
      const { record } = readDeadLetter(catalog, { ...message, redelivered: false }, DLQ).death;
      if (record === undefined) throw new Error('a failure record cannot be read');
      expect(record.fingerprint).toBe(fingerprintOf(record));
    }
  });
});
