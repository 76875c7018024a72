/** The store of a live run: one writer, any number of readers, and nothing half recorded. */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { deleteRun } from '../../src/shadow/delete-run.js';
import { readRun } from '../../src/shadow/read-run.js';
import { openRecording, type Recording } from '../../src/shadow/recording.js';
import { openRunStore } from '../../src/shadow/run-store.js';
import { openDatabase } from '../../src/storage/sqlite.js';
import { oneJob, SHADOW, TOPOLOGY } from './scene.js';
import { type Line, START } from './traffic.js';

const MINUTE = 60_000;

function storePath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'shadow-run-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'shadow.db');
}

function open(path: string, now = START, budgetMs = 60_000): Recording {
  const sources = { proxy: 'callback', taps: 'event' } as const;
  const recording = openRecording({ path, mapping: SHADOW, topology: TOPOLOGY, sources, budgetMs }, now);
  onTestFinished(() => recording.close());
  return recording;
}

function begin(recording: Recording, at = START - 10 * MINUTE): void {
  for (const source of ['proxy', 'taps']) recording.take({ kind: 'up', source, at }, at);
}

function tell(recording: Recording, kind: 'callback' | 'event', lines: readonly Line[]): void {
  const source = kind === 'callback' ? 'proxy' : 'taps';
  for (const { record } of lines) recording.take({ kind, source, line: JSON.stringify(record) }, START);
}

function advance(recording: Recording, to: number): void {
  for (const source of ['proxy', 'taps']) recording.take({ kind: 'watermark', source, at: to }, to);
}

/** A run whose one job lacks its events at both consumers. */
function withMissing(path: string): Recording {
  const recording = open(path);
  begin(recording);
  tell(recording, 'callback', oneJob().callbacks);
  advance(recording, START + 30 * MINUTE);
  return recording;
}

test('a run is read while it goes on, as of its last checkpoint', () => {
  const path = storePath();
  const recording = withMissing(path);
  expect(() => readRun(path)).toThrow(/has not saved anything yet/);
  recording.checkpoint(START + 30 * MINUTE, false);
  tell(recording, 'event', oneJob().events);
  const run = readRun(path);
  expect(run).toMatchObject({
    ...{ state: 'running', startedAt: START, savedAt: START + 30 * MINUTE, legCount: 2 },
    summary: { observations: 2, gaps: [], counts: { totals: { missingEvent: 2, late: 0, match: 0 } } },
  });
  expect(run.legs(1)).toMatchObject([{ outcome: 'missingEvent', evidence: 'bad' }]);
  run.close();
});

test('a leg that comes right late is no longer listed', () => {
  const path = storePath();
  const recording = withMissing(path);
  recording.checkpoint(START + 30 * MINUTE, false);
  tell(recording, 'event', oneJob().events); // they happened in time, and are only told late
  recording.checkpoint(START + 31 * MINUTE, true);
  recording.close();
  const run = readRun(path);
  expect(run).toMatchObject({ state: 'ended', legCount: 0, summary: { counts: { totals: { match: 2 } } } });
  run.close();
});

test('of a run that was cut off everything is there up to its last checkpoint, legs and counts alike', () => {
  const path = storePath();
  const recording = withMissing(path);
  recording.checkpoint(START + 30 * MINUTE, false);
  tell(recording, 'event', oneJob().events);
  recording.close(); // as if killed: the store's transaction is not committed
  const run = readRun(path);
  expect(run).toMatchObject({ state: 'stopped', legCount: 2, summary: { counts: { totals: { match: 0 } } } });
  run.close();
});

test('going on has a gap from what was last saved, for every source, until each is up', () => {
  const path = storePath();
  const first = withMissing(path);
  first.checkpoint(START + 30 * MINUTE, false);
  first.close();
  const at = START + 90 * MINUTE;
  const second = open(path, at);
  second.take({ kind: 'up', source: 'proxy', at }, at);
  const summary = second.checkpoint(at, false);
  expect(summary.gaps).toEqual([
    { source: 'proxy', from: START + 30 * MINUTE, to: at },
    { source: 'taps', from: START + 30 * MINUTE, to: null },
  ]);
  expect(summary.sources).toEqual([
    { source: 'proxy', path: 'callback', watermark: START + 30 * MINUTE, stalledSince: START + 30 * MINUTE },
    { source: 'taps', path: 'event', watermark: START + 30 * MINUTE, stalledSince: START + 30 * MINUTE },
  ]);
});

test('what belongs to the time before the run is neither held against the events nor a gap', () => {
  const recording = open(storePath());
  begin(recording, START);
  tell(recording, 'callback', oneJob().callbacks);
  advance(recording, START + 30 * MINUTE);
  const { gaps, counts } = recording.checkpoint(START + 30 * MINUTE, false);
  expect(gaps).toEqual([]);
  expect(counts.totals.missingEvent).toBe(2);
  expect(counts.strata.map(({ bad }) => bad)).toEqual(counts.strata.map(() => 0));
});

test('a second process that would record into it is refused in plain words', () => {
  const path = storePath();
  const store = openRunStore(path);
  expect(() => openRunStore(path)).toThrow(/Another shadow run records into .* at this moment/);
  expect(() => deleteRun(path)).toThrow(/Another shadow run records into/);
  store.close();
  openRunStore(path).close();
});

test('the files are their owner’s alone, and purging leaves none of them', () => {
  const path = storePath();
  const recording = withMissing(path);
  recording.checkpoint(START + 30 * MINUTE, true);
  const folder = join(path, '..');
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  recording.close();
  deleteRun(path);
  expect(readdirSync(folder)).toEqual([]);
});

test('a file of another program is neither recorded into, nor read, nor deleted', () => {
  const path = storePath();
  writeFileSync(path, '');
  const database = openDatabase(path);
  database.exec('PRAGMA application_id = 7; CREATE TABLE a (b)');
  database.close();
  expect(() => openRunStore(path)).toThrow(/another program/);
  expect(() => readRun(path)).toThrow(/another program/);
  expect(() => deleteRun(path)).toThrow(/another program/);
  expect(existsSync(path)).toBe(true);
  expect(readdirSync(join(path, '..')).filter((name) => name.endsWith('-lock'))).toEqual([]);
});

test('a run begun with another mapping is not gone on with', () => {
  const path = storePath();
  const recording = open(path);
  recording.checkpoint(START, true);
  recording.close();
  const other = { ...SHADOW, legs: SHADOW.legs.slice(1) };
  const sources = { proxy: 'callback', taps: 'event' } as const;
  expect(() => openRecording({ path, mapping: other, topology: TOPOLOGY, sources }, START)).toThrow(
    /begun with another mapping/,
  );
  openRunStore(path).close(); // and it is not left locked
});

test.each([
  { gap: true, bad: 0, beyond: 0 },
  { gap: false, bad: 2, beyond: 2 },
])(
  'events that come late count against them unless a gap of their source lies between ($gap)',
  ({ gap, bad, beyond }) => {
    const recording = open(storePath(), START, 5_000);
    begin(recording);
    const { callbacks, events } = oneJob();
    tell(recording, 'callback', callbacks);
    const late = events.map((line) => {
      const receivedAt = new Date(line.at + 5 * MINUTE).toISOString();
      return { ...line, record: { ...line.record, receivedAt } };
    });
    if (gap) recording.take({ kind: 'gap', source: 'taps', from: START, to: START + 10 * MINUTE }, START);
    tell(recording, 'event', late);
    advance(recording, START + 30 * MINUTE);
    const { counts } = recording.checkpoint(START + 30 * MINUTE, false);
    expect(counts.totals.late).toBe(2);
    expect(counts.strata.reduce((sum, stratum) => sum + stratum.bad, 0)).toBe(bad);
    expect(counts.strata.reduce((sum, stratum) => sum + (stratum.latency?.bad ?? 0), 0)).toBe(beyond);
  },
);
