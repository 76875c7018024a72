/** Stamps: what the dispatcher writes, and what is read of it. */
import { describe, expect, it } from 'vitest';
import type { Headers } from '../../../src/core/message.js';
import { STAGES } from '../../../src/core/migration/stage.js';
import {
  callbackHeadersOf,
  isDryRun,
  isOnlyObserved,
  messageHeadersOf,
  readStamp,
  type Stamp,
} from '../../../src/core/migration/stamp.js';

const stamp: Stamp = { stage: 'shadow', epoch: 7, fact: 'analysis.failed:j-1', callbacks: 'sent' };

describe('a stamp', () => {
  it('is written into message headers', () => {
    expect(messageHeadersOf({ ...stamp, callbacks: 'not-sent' })).toEqual({
      'x-migration-stage': 'shadow',
      'x-migration-epoch': 7,
      'idempotency-key': 'analysis.failed:j-1',
      'x-dry-run': 'true',
      'x-migration-callbacks': 'not-sent',
    });
  });

  it('is written into HTTP headers, whose dry run is that of the callbacks', () => {
    expect(callbackHeadersOf(stamp)).toEqual({
      'x-migration-stage': 'shadow',
      'x-migration-epoch': '7',
      'idempotency-key': 'analysis.failed:j-1',
      'x-dry-run': 'false',
    });
  });

  it('is read back from both', () => {
    for (const stage of STAGES) {
      const sent = { ...stamp, stage };
      expect(readStamp(messageHeadersOf(sent))).toEqual(sent);
      expect(readStamp({ ...messageHeadersOf({ ...sent, callbacks: 'not-sent' }), other: 1 })).toEqual({
        ...sent,
        callbacks: 'not-sent',
      });
      expect(readStamp(callbackHeadersOf(sent))).toEqual(sent);
    }
  });

  it('is read through the wire types of a message’s headers, and through headers that came twice alike', () => {
    const typed: Headers = {
      'x-migration-stage': 'shadow',
      'x-migration-epoch': { '!': 'int64', value: '7' },
      'idempotency-key': 'analysis.failed:j-1',
    };
    expect(readStamp(typed)).toEqual(stamp);
    expect(readStamp({ ...typed, 'x-migration-epoch': { '!': 'int32', value: 7 } })).toEqual(stamp);
    expect(readStamp({ ...typed, 'x-migration-stage': ['shadow', 'shadow'] })).toEqual(stamp);
  });

  it.each([
    ['not there', { 'x-migration-stage': undefined }],
    ['of an unknown stage', { 'x-migration-stage': 'canary' }],
    ['with a stage that is no text', { 'x-migration-stage': 3 }],
    ['with two stages', { 'x-migration-stage': ['shadow', 'live'] }],
    ['with no stage at all', { 'x-migration-stage': [] }],
    ['without an epoch', { 'x-migration-epoch': undefined }],
    ['with an epoch that is no number', { 'x-migration-epoch': 'seven' }],
    ['with a negative epoch', { 'x-migration-epoch': -1 }],
    ['with half an epoch', { 'x-migration-epoch': 1.5 }],
    ['with an epoch beyond whole numbers', { 'x-migration-epoch': '9223372036854775807' }],
    ['without a fact', { 'idempotency-key': undefined }],
    ['with an empty fact', { 'idempotency-key': '' }],
    ['with a fact that no HTTP header can hold', { 'idempotency-key': 'a\nb' }],
    ['with a fact in bytes', { 'idempotency-key': { '!': 'bytes', value: { a: 'YQ==' } } }],
    ['with a strange word about callbacks', { 'x-migration-callbacks': 'maybe' }],
  ])('%s is none', (_what, damage) => {
    expect(readStamp({ ...messageHeadersOf(stamp), ...damage })).toBeUndefined();
  });
});

describe('in every stage', () => {
  it.each([
    ['off', false, true, true],
    ['publish', false, true, true],
    ['shadow', false, true, false],
    ['live', true, false, false],
    ['rampdown', true, false, false],
    ['complete', true, false, false],
  ] as const)(
    '%s: callback in dry run %s, event in dry run %s, event only observed %s',
    (stage, callback, event, observed) => {
      expect(isDryRun(stage, 'callback')).toBe(callback);
      expect(isDryRun(stage, 'event')).toBe(event);
      expect(isOnlyObserved(messageHeadersOf({ ...stamp, stage }))).toBe(observed);
    },
  );
});

describe('an event that is only observed', () => {
  it('is known by a whole stamp', () => {
    const headers = messageHeadersOf({ ...stamp, stage: 'publish' });
    expect(isOnlyObserved({ ...headers, 'x-migration-epoch': 'x' })).toBe(false);
    expect(isOnlyObserved({ ...headers, 'x-migration-stage': 'publishing' })).toBe(false);
    expect(isOnlyObserved({})).toBe(false);
    expect(isOnlyObserved(undefined)).toBe(false);
  });
});
