import { expect, test } from 'vitest';
import { routeOf, upstream } from '../../src/commands/shadow-upstreams.js';
import { atma } from '../../src/presets/atma.js';

const { shadow = { legs: [] } } = atma.build({});
const both = { notification: 'http://n', assessment: 'http://a' };

test.each([
  ['/notifications/analysis-complete', 'notification'],
  ['/notifications/analysis-complete?retry=1', 'notification'],
  ['/notifications/batch', 'notification'],
  ['/assessments/callback/completed', 'assessment'],
  ['/assessment/callback/failed', 'assessment'],
  ['/assessments/callback/unheard-of', 'assessment'],
  ['/health', undefined],
  ['/notificationsx', undefined],
])('%s goes to %s', (path, name) => {
  expect(routeOf(shadow, both)(path)).toBe(name);
});

test('a single upstream gets everything, whatever its name', () => {
  expect(routeOf(shadow, { gateway: 'http://g' })('/health')).toBe('gateway');
});

test('a name that is no consumer, and a consumer without an upstream, are refused with the names', () => {
  const hint = 'Name one for each of: notification, assessment; or a single one, for all callbacks.';
  expect(() => routeOf(shadow, { ...both, notifications: 'http://x' })).toThrow(
    expect.objectContaining({ message: expect.stringContaining('"notifications"'), hint }),
  );
  expect(() => routeOf(shadow, { notification: 'http://n', archive: 'http://x' })).toThrow(/"archive"/);
});

test('upstreams are collected by name, each once', () => {
  expect(upstream('b=http://y/?a=b', upstream('a=http://x'))).toEqual({ a: 'http://x', b: 'http://y/?a=b' });
  expect(() => upstream('a=http://y', { a: 'http://x' })).toThrow(/given twice/);
  expect(() => upstream('http://x')).toThrow(/Expected NAME=URL/);
});
