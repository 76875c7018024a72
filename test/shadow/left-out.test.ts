/** Events whose callbacks were not sent have nothing to be compared with, and what is wrong with them by themselves counts. */
import { expect, it } from 'vitest';
import { reportText } from '../../src/commands/shadow-text.js';
import { callbackHeadersOf, HEADER_CALLBACKS, messageHeadersOf } from '../../src/core/migration/stamp.js';
import { compareRecords } from '../../src/shadow/compare.js';
import { judgeFound } from '../../src/shadow/found-run.js';
import { observeEvent, readEvent } from '../../src/shadow/observe-event.js';
import { reportHtml } from '../../src/shadow/report/html.js';
import { reportDocument } from '../../src/shadow/report/json.js';
import { EASY_POLICY } from '../migration/gate-scene.js';
import { MAPPING, oneJob, SHADOW, TOPOLOGY } from './scene.js';
import { generateTraffic, type Line, type Traffic } from './traffic.js';

const NOT_SENT = messageHeadersOf({ stage: 'rampdown', epoch: 7, fact: 'f', callbacks: 'not-sent' });

const withHeaders = (line: Line, headers: object): Line => ({ ...line, record: { ...line.record, headers } });

const jobOf = ({ record }: Line) => JSON.stringify(record).match(/"jobId":"([^"]+)"/)?.[1] ?? '';

async function* bytesOf(lines: readonly Line[]) {
  for (const { record } of lines) yield Buffer.from(`${JSON.stringify(record)}\n`);
}

async function compare({ callbacks, events }: Pick<Traffic, 'callbacks' | 'events'>) {
  const { summary } = await compareRecords({
    mapping: SHADOW,
    topology: TOPOLOGY,
    callbacks: bytesOf(callbacks),
    events: bytesOf(events),
    budgetMs: 5_000,
  });
  const found = { summary, state: 'ended', savedAt: 0 } as const;
  return judgeFound(found, EASY_POLICY, 0);
}

it('is SAFE in rampdown, where a sample of the jobs is called back and the others are only counted', async () => {
  const { callbacks, events } = generateTraffic({ seed: 12, days: 0.1, jobs: 100 });
  const jobs = [...new Set(events.map(jobOf))];
  const sample = new Set(jobs.slice(0, 60));
  const stamped = events.map((line) =>
    withHeaders(
      line,
      sample.has(jobOf(line)) ? { [HEADER_CALLBACKS]: 'sent', 'x-dry-run': 'false' } : NOT_SENT,
    ),
  );
  const { summary, judgement } = await compare({
    callbacks: callbacks.filter((line) => sample.has(jobOf(line))),
    events: stamped,
  });
  expect(judgement.verdict).toBe('SAFE');
  expect(summary.counts.totals).toMatchObject({ missingCallback: 0, extra: 0, pending: 0, match: 320 });
  const document = reportDocument(summary, judgement);
  expect(document.strata.map(({ eventType, leftOut }) => [eventType, leftOut > 0])).toEqual([
    ['analysis.completed', true],
    ['analysis.failed', true],
    ['analysis.completed', true],
    ['analysis.failed', true],
    // Without a callback there is nothing that could not be sent.
    ['analysis.started', false],
    ['analysis.started', false],
  ]);
  expect(document.strata.reduce((sum, { leftOut }) => sum + leftOut, 0)).toBe(80);
  const says = '80 events with nothing to compare: their callbacks were not sent.';
  expect(reportText(summary, judgement).join('\n')).toContain(says);
  const page = { summary, judgement, legs: [], legCount: 0, title: 'rampdown', generatedAt: 0 };
  expect(reportHtml(page)).toContain(says);
});

it('says nothing of it where every callback was sent', async () => {
  const { summary, judgement } = await compare(oneJob());
  expect(reportDocument(summary, judgement).strata.every(({ leftOut }) => leftOut === 0)).toBe(true);
  expect(reportText(summary, judgement).join('\n')).not.toContain('nothing to compare');
});

it('misses callbacks that were said to be sent, and takes a header that says neither for none', async () => {
  const { events } = oneJob();
  for (const headers of [{ [HEADER_CALLBACKS]: 'sent' }, { [HEADER_CALLBACKS]: true }, {}]) {
    const { summary } = await compare({
      callbacks: [],
      events: events.map((line) => withHeaders(line, headers)),
    });
    expect(summary.counts.totals).toMatchObject({ missingCallback: 2 });
  }
});

it('keeps what is wrong with an event by itself', () => {
  const [event] = oneJob().events;
  if (event === undefined) throw new Error('no event');
  const seen = (more: object) => {
    const record = { ...event.record, headers: NOT_SENT, ...more };
    return observeEvent(MAPPING, readEvent(record), 'taps', 1);
  };
  expect(seen({})).toMatchObject({
    observations: [],
    extra: [],
    leftOut: [expect.any(Number), expect.any(Number)],
  });
  const invalid = seen({ valid: false, errors: [{ path: 'resultId', message: 'is wrong' }] });
  expect(invalid.observations).toHaveLength(2);
  expect(invalid.leftOut).toBeUndefined();
  const dead = seen({
    headers: { ...NOT_SENT, 'x-first-death-queue': 'analysis_events_notifications' },
    exchange: 'atma_events_exchange_dlx',
    routingKey: 'notifications.dlq',
  });
  expect(dead.observations).toMatchObject([{ kind: 'deadLettered' }]);
  const astray = seen({ routingKey: 'analysis.complete' });
  expect(astray.observations.map(({ kind }) => kind)).toEqual(['unrouted', 'unrouted']);
});

it('compares callbacks that are marked as a dry run like any others', async () => {
  const { callbacks, events } = oneJob();
  const stamp = { stage: 'live', epoch: 7, fact: 'f', callbacks: 'sent' } as const;
  const { summary } = await compare({
    callbacks: callbacks.map((line) => withHeaders(line, callbackHeadersOf(stamp))),
    events: events.map((line) => withHeaders(line, messageHeadersOf(stamp))),
  });
  expect(callbackHeadersOf(stamp)).toMatchObject({ 'x-dry-run': 'true' });
  expect(summary.counts.totals).toMatchObject({ match: 2, missingCallback: 0 });
});
