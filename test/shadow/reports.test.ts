/** Consumers' own reports: in files beside the events, and in files that a live run reads as they grow. */
import { appendFileSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type DeliveryRecord, deliveryLine } from '../../src/legacy/delivery-record.js';
import { compareRecords } from '../../src/shadow/compare.js';
import { openRecording } from '../../src/shadow/recording.js';
import type { RunItem } from '../../src/shadow/run-item.js';
import { openSpool } from '../../src/shadow/spool.js';
import { oneJob, SHADOW, TOPOLOGY } from './scene.js';
import { START } from './traffic.js';

const MINUTE = 60_000;
const traffic = oneJob();
const [published] = traffic.events;
if (published === undefined) throw new Error('the job has no event');
const publishedAt = published.at;
const { event } = published.record as { event: { jobId: string } };

function report(did: DeliveryRecord['did'], via: DeliveryRecord['via'], at = publishedAt + 50) {
  const known = { consumer: 'assessment', did, via, type: 'analysis.completed' } as const;
  return deliveryLine({ at: new Date(at).toISOString(), ...known, event: { jobId: event.jobId } });
}

async function* bytes(lines: readonly string[]) {
  yield Buffer.from(lines.join(''));
}

const jsonLine = (value: unknown) => `${JSON.stringify(value)}\n`;

test('in a file beside the events they tell of an effect by both paths', async () => {
  const { counts } = await compareRecords({
    mapping: SHADOW,
    topology: TOPOLOGY,
    callbacks: bytes(traffic.callbacks.map(({ record }) => jsonLine(record))),
    events: bytes([
      ...traffic.events.map(({ record }) => jsonLine(record)),
      report('acked', 'event'),
      report('applied', 'event'),
      report('applied', 'callback'),
    ]),
  });
  expect(counts.strata.filter(({ bothApplied }) => bothApplied > 0)).toMatchObject([
    { consumer: 'assessment', eventType: 'analysis.completed', bothApplied: 1 },
  ]);
});

function spoolScene() {
  const folder = mkdtempSync(join(tmpdir(), 'shadow-spool-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'reports.jsonl');
  const items: RunItem[] = [];
  const spool = openSpool({ path, source: 'reports', holds: 'event', put: (item) => void items.push(item) });
  onTestFinished(() => spool.close());
  return { path, items, spool };
}

test('a file is read as it grows, and a line only when it is whole', () => {
  const { path, items, spool } = spoolScene();
  spool.read(START);
  expect(items).toEqual([{ kind: 'down', source: 'reports', at: START }]);
  const line = report('acked', 'event');
  writeFileSync(path, line + line.slice(0, 20));
  spool.read(START + 1_000);
  const piece = { kind: 'file', source: 'reports', holds: 'event', text: line };
  const { ino: inode } = statSync(path);
  expect(items.slice(1)).toEqual([
    { kind: 'up', source: 'reports', at: START + 1_000 },
    { ...piece, place: { inode, offset: line.length }, upTo: START - 1_000 },
  ]);
  items.length = 0;
  appendFileSync(path, line.slice(20));
  spool.read(START + 2_000);
  expect(items).toEqual([{ ...piece, place: { inode, offset: 2 * line.length }, upTo: START }]);
});

test('a file is read on from where the store knows it, and as a whole', () => {
  const { path, items, spool } = spoolScene();
  const line = report('acked', 'event');
  const long = `${' '.repeat(1_500_000)}${line}`;
  writeFileSync(path, line + line + long);
  const { ino: inode } = statSync(path);
  spool.goTo({ inode, offset: line.length });
  for (let again = 1; again <= 4; again++) spool.read(START + again);
  const texts = items.flatMap((item) => (item.kind === 'file' ? [item.text] : []));
  expect(texts.join('')).toBe(line + long);
  // What is not read to its end says nothing of the present.
  expect(items.flatMap((item) => (item.kind === 'file' ? [item.upTo !== null] : []))).toEqual([
    ...[false, false, true, true],
  ]);
});

test('a file that was replaced while nobody looked is a gap', () => {
  const { path, items, spool } = spoolScene();
  const line = report('acked', 'event');
  writeFileSync(path, line);
  spool.goTo({ inode: statSync(path).ino + 1, offset: 500 });
  spool.read(START);
  expect(items.map(({ kind }) => kind)).toEqual(['gap', 'doubt', 'up', 'file']);
});

test('a file that was replaced is read anew, and what may be missing between is a gap', () => {
  const { path, items, spool } = spoolScene();
  writeFileSync(path, report('acked', 'event'));
  spool.read(START);
  writeFileSync(`${path}.new`, report('applied', 'event'));
  renameSync(`${path}.new`, path);
  items.length = 0;
  spool.read(START + 1_000);
  expect(items.map(({ kind }) => kind)).toEqual(['gap', 'doubt', 'file']);
  expect(items[0]).toEqual({ kind: 'gap', source: 'reports', from: START, to: START + 1_000 });
});

test('an event that its consumer does not report was not consumed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shadow-reports-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'shadow.db');
  const sources = { proxy: 'callback', taps: 'event', reports: 'report' } as const;
  const known = { path, mapping: SHADOW, topology: TOPOLOGY, sources, files: ['reports'] };
  const begin = START - 10 * MINUTE;
  const recording = openRecording({ ...known, reporting: ['assessment', 'notification'] }, begin);
  onTestFinished(() => recording.close());
  const take = (item: RunItem) => recording.take(item, START);
  for (const source of Object.keys(sources)) take({ kind: 'up', source, at: begin });
  for (const { record } of traffic.callbacks)
    take({ kind: 'callback', source: 'proxy', line: JSON.stringify(record) });
  for (const { record } of traffic.events)
    take({ kind: 'event', source: 'taps', line: JSON.stringify(record) });
  const text = report('acked', 'event') + report('acked', 'event', begin - 1); // that is old news
  const place = { inode: 1, offset: text.length };
  take({ kind: 'file', source: 'reports', holds: 'event', text, place, upTo: null });
  for (const source of Object.keys(sources)) take({ kind: 'watermark', source, at: START + 30 * MINUTE });
  const { counts, findings, observations, gaps } = recording.checkpoint(START + 30 * MINUTE, false);
  expect(counts.totals).toMatchObject({ match: 1, missingEvent: 1 });
  expect(findings).toMatchObject([{ consumer: 'notification', outcome: 'missingEvent' }]);
  expect({ observations, gaps }).toEqual({ observations: 5, gaps: [] });
});
