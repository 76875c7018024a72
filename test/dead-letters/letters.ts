/** Dead letters as tests need them: made up, or of the fixtures. */
import { readFileSync } from 'node:fs';
import { type FailureRecord, failureHeader } from '../../src/core/consuming/failure-record.js';
import { fromSavedRecord } from '../../src/core/events/record.js';
import type { Headers, HeaderValue, OutgoingMessage, ReceivedMessage } from '../../src/core/message.js';

export function deadLetter(headers: Headers, more: Partial<ReceivedMessage> = {}): ReceivedMessage {
  return {
    exchange: 'events_dlx',
    routingKey: 'notifications.dlq',
    body: Buffer.from('{}'),
    redelivered: false,
    ...more,
    properties: { ...more.properties, headers },
  };
}

export const failure: FailureRecord = {
  reason: 'exhausted',
  exception: 'TypeError',
  message: 'no socket for budi@example.com',
  stack: 'TypeError: no socket\n    at tell (/srv/sockets.js:41:19)\n    at run (/srv/run.js:1:1)',
  attempts: 5,
  firstFailedAt: '2026-01-31T22:48:25.000Z',
  lastFailedAt: '2026-01-31T23:01:00.000Z',
  queue: 'notifications',
  consumer: 'notification-service',
  version: 1,
  exchange: 'events',
  routingKey: 'analysis.completed',
  fingerprint: 'f2d62b03a986',
};

/** The headers of a dead letter of our consumers. */
export function failed(changes: Partial<FailureRecord> = {}): Headers {
  return { 'x-failure': failureHeader({ ...failure, ...changes }) };
}

/** An entry of `x-death`, with the wire types that RabbitMQ uses. */
export function death(queue: string, reason: string, seconds: number, more: Headers = {}): HeaderValue {
  return {
    count: { '!': 'int64', value: 1 },
    reason,
    queue,
    time: { '!': 'timestamp', value: seconds },
    exchange: 'events',
    'routing-keys': ['analysis.completed'],
    ...more,
  };
}

/** What a fixture holds, as it would be published. */
export function fixture(queue: string): OutgoingMessage[] {
  const file = new URL(`../../fixtures/dead-letters/${queue}.jsonl`, import.meta.url);
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => fromSavedRecord(JSON.parse(line)));
}
