import { describe, expect, it } from 'vitest';
import { describeError, fingerprintOf, normalise } from '../../../src/core/consuming/failure-record.js';

const failure = (message: string, frame: string) => ({
  exception: 'Error',
  message,
  stack: `Error: ${message}\n    at ${frame}\n    at elsewhere (file:///x.js:1:1)`,
});

describe('the fingerprint of a failure', () => {
  const one = fingerprintOf(failure('no user 42', 'refund (file:///srv/a/refund.js:9:44)'));

  it.each([
    ['another number in the message', failure('no user 43', 'refund (file:///srv/a/refund.js:9:44)')],
    ['another line and column', failure('no user 42', 'refund (file:///srv/a/refund.js:10:2)')],
    ['another folder', failure('no user 42', 'refund (file:///srv/releases/7/dist/refund.js:9:44)')],
    ['a Windows path', failure('no user 42', 'refund (C:\\srv\\my app\\refund.js:9:44)')],
  ])('is the same with %s', (_, other) => {
    expect(fingerprintOf(other)).toBe(one);
  });

  it.each([
    [
      'another exception',
      { ...failure('no user 42', 'refund (file:///srv/a/refund.js:9:44)'), exception: 'TypeError' },
    ],
    ['another message', failure('no token 42', 'refund (file:///srv/a/refund.js:9:44)')],
    ['another function', failure('no user 42', 'charge (file:///srv/a/refund.js:9:44)')],
    ['another file', failure('no user 42', 'refund (file:///srv/a/charge.js:9:44)')],
    ['no stack', { exception: 'Error', message: 'no user 42' }],
  ])('is another one with %s', (_, other) => {
    expect(fingerprintOf(other)).not.toBe(one);
  });

  it('knows a frame without a function by its file', () => {
    const frames = ['file:///srv/a/x.js:1:2', 'async file:///srv/b/x.js:3:4', '/srv/c/x.js:5:6'];
    expect(new Set(frames.map((frame) => fingerprintOf(failure('m', frame)))).size).toBe(1);
  });
});

describe('a normalised message', () => {
  it.each([
    ['job 3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b took 30000 ms', 'job <id> took <n> ms'],
    ['no "Budi" for budi@example.com', 'no <text> for <address>'],
    ['trace 4bf92f3577b34da6a3ce929d0e0e4736', 'trace <id>'],
    ['deadbeef is a word', 'deadbeef is a word'],
  ])('%s is %s', (message, normal) => {
    expect(normalise(message)).toBe(normal);
  });
});

describe('anything thrown', () => {
  it.each([
    [undefined, { exception: 'undefined', message: 'undefined' }],
    ['text', { exception: 'string', message: 'text' }],
    [Object.assign(new Error('m'), { stack: undefined, name: '' }), { exception: 'Error', message: 'm' }],
  ])('%o is described', (thrown, description) => {
    expect(describeError(thrown)).toEqual(description);
  });

  it('is cut to what fits into a header', () => {
    const { message, stack } = describeError(new Error('x'.repeat(100_000)));
    expect(message).toHaveLength(1_000);
    expect(stack?.length).toBeLessThanOrEqual(4_000);
  });
});
