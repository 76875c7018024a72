import { expect, test } from 'vitest';
import type { ReceivedMessage } from '../../src/core/message.js';
import { createDeliveryRecorder, type ObservedDelivery } from '../../src/legacy/record-delivery.js';
import type { CallbackGap } from '../../src/legacy/record-queue.js';

const AT = Date.parse('2024-03-01T08:00:00.000Z');

function scene(write?: (line: string) => void) {
  const lines: string[] = [];
  const gaps: CallbackGap[] = [];
  const recorder = createDeliveryRecorder({
    write: write ?? ((line) => void lines.push(line)),
    onGap: (gap) => void gaps.push(gap),
    consumer: 'assessment',
    now: () => AT,
  });
  return { lines, gaps, ...recorder };
}

const message: ReceivedMessage = {
  exchange: 'events',
  routingKey: 'analysis.failed',
  redelivered: false,
  body: Buffer.from('{"jobId":"job-1","resultId":null}'),
  properties: { messageId: 'm-1', type: 'analysis.failed' },
};

test('a line says who did what with which fact, and by which path it came', async () => {
  const { lines, gaps, recordDelivery, close } = scene();
  recordDelivery({ did: 'acked', via: 'event', message });
  const event = { jobId: 'job-1' };
  recordDelivery({
    consumer: 'notification',
    did: 'applied',
    via: 'callback',
    type: 'analysis.failed',
    event,
    doneAt: AT - 1_000,
  });
  event.jobId = 'changed later';
  expect(await close()).toBeUndefined();
  expect(gaps).toEqual([]);
  expect(lines).toEqual([
    '{"at":"2024-03-01T08:00:00.000Z","consumer":"assessment","did":"acked","via":"event","type":"analysis.failed","messageId":"m-1","event":{"jobId":"job-1","resultId":null}}\n',
    '{"at":"2024-03-01T07:59:59.000Z","consumer":"notification","did":"applied","via":"callback","type":"analysis.failed","event":{"jobId":"job-1"}}\n',
  ]);
});

test('what cannot be recorded is a gap, and never thrown at the service', async () => {
  const { lines, gaps, recordDelivery, close } = scene();
  const circular: { self?: unknown } = {};
  circular.self = circular;
  recordDelivery({ did: 'acked', via: 'event', type: 'a', event: circular });
  recordDelivery({ did: 'eaten', via: 'event', type: 'a' } as unknown as ObservedDelivery);
  recordDelivery(undefined as unknown as ObservedDelivery);
  recordDelivery({ did: 'acked', via: 'event', type: 'a', doneAt: 1e300 });
  await close();
  expect(lines).toHaveLength(1);
  expect(gaps.reduce((sum, { lost }) => sum + lost, 0)).toBe(3);
});

test('a disk that refuses a line is a gap', async () => {
  const { gaps, recordDelivery, close } = scene(() => {
    throw new Error('ENOSPC');
  });
  recordDelivery({ did: 'acked', via: 'event', message });
  await close();
  expect(gaps).toMatchObject([{ lost: 1, reason: 'refused', cause: 'ENOSPC' }]);
});
