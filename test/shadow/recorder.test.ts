/** The recorder's thread in every kind of trouble: whoever tells it something is never held up, and nothing is lost in silence. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { readRun } from '../../src/shadow/read-run.js';
import { type RecorderOptions, startRecorder } from '../../src/shadow/recorder.js';
import type { RunSummary } from '../../src/shadow/run-summary.js';
import { eventually } from '../await.js';
import { oneJob, SHADOW, TOPOLOGY } from './scene.js';

const program = (name: string) => pathToFileURL(join(import.meta.dirname, 'programs', name));
const [line = ''] = oneJob().callbacks.map(({ record }) =>
  JSON.stringify({ ...record, at: new Date().toISOString() }),
);

async function start(more: Partial<RecorderOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'shadow-recorder-'));
  const path = join(folder, 'shadow.db');
  const told: string[] = [];
  const summaries: RunSummary[] = [];
  const recorder = await startRecorder({
    ...{ path, mapping: SHADOW, topology: TOPOLOGY, sources: { proxy: 'callback', taps: 'event' } },
    everyMs: 20,
    now: Date.now,
    onTrouble: ({ message }) => void told.push(message),
    onResumed: () => void told.push('resumed'),
    onSaved: (summary) => void summaries.push(summary),
    onOpened: () => void told.push('opened'),
    ...more,
  });
  onTestFinished(async () => {
    await recorder.end(1_000);
    rmSync(folder, { recursive: true });
  });
  return { path, recorder, told, saved: () => summaries.at(-1) };
}

test('a thread that dies is replaced, and the time without it is a gap of every source', async () => {
  const { path, recorder, told, saved } = await start({ thread: program('mortal-thread.mjs') });
  const begun = Date.now() - 1_000;
  const callback = () => recorder.put({ kind: 'callback', source: 'proxy', line });
  for (const source of ['proxy', 'taps']) {
    recorder.put({ kind: 'up', source, at: begun });
    recorder.put({ kind: 'watermark', source, at: begun + 500 });
  }
  callback();
  await eventually('the callback is saved', () => saved()?.observations === 1);
  expect(saved()?.gaps).toEqual([]);

  recorder.put({ kind: 'doubt', text: 'die' });
  await eventually('its end is told', () => told.includes('the recorder ended (7)'));
  expect(recorder.isRecording()).toBe(false);
  callback(); // nobody is there
  await eventually('it records again', () => told.at(-1) === 'resumed');
  callback();
  await eventually('the next callback is saved', () => saved()?.observations === 2);
  expect(saved()?.gaps).toMatchObject(
    ['proxy', 'taps'].map((source) => ({ source, from: begun + 500, to: expect.any(Number) })),
  );
  expect(told).toEqual(['opened', 'the recorder ended (7)', 'opened', 'resumed']);

  expect(await recorder.end(10_000)).toBe(true);
  const run = readRun(path);
  expect(run).toMatchObject({ state: 'ended', summary: { observations: 2 } });
  run.close();
});

test('a thread that dies again before it has recorded for a while is one trouble', async () => {
  let opened = 0;
  const scene = await start({
    thread: program('mortal-thread.mjs'),
    onOpened() {
      opened++;
      if (opened === 2 || opened === 3) die();
    },
  });
  const die = () => scene.recorder.put({ kind: 'doubt', text: 'die' });
  die();
  await eventually('it records again', () => scene.told.at(-1) === 'resumed');
  expect({ opened, told: scene.told }).toEqual({ opened: 4, told: ['the recorder ended (7)', 'resumed'] });
});

test('a thread that cannot be started is told of, and nobody waits for it', async () => {
  const { recorder, told } = await start({ thread: program('no-such-thread.mjs') });
  expect(told).toHaveLength(1);
  expect(told[0]).toContain('no-such-thread.mjs');
  recorder.put({ kind: 'callback', source: 'proxy', line });
  expect({ recording: recorder.isRecording(), room: recorder.room() }).toEqual({
    ...{ recording: false, room: undefined },
  });
  expect(await recorder.end(1_000)).toBe(false);
});

test.each([
  { what: 'twenty thousand records', size: 10, fits: 19_999 },
  { what: '64 MiB of them', size: 2 ** 20, fits: 63 },
])('a thread that takes nothing has room for $what, and then for no more', async ({ size, fits }) => {
  const released = new Int32Array(new SharedArrayBuffer(4));
  const more = { thread: program('stuck-thread.mjs'), released: released.buffer };
  const { recorder } = await start(more);
  const put = () => recorder.put({ kind: 'callback', source: 'proxy', line: 'x'.repeat(size) });
  for (let count = 0; count < fits; count++) put();
  expect(recorder.room()).toBeUndefined();
  put();
  const room = recorder.room();
  expect(room).toBeInstanceOf(Promise);
  Atomics.store(released, 0, 1);
  await room;
  expect(recorder.room()).toBeUndefined();
});

test('a path that cannot be a store is refused at once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shadow-recorder-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const text = join(folder, 'notes.txt');
  writeFileSync(text, 'not a database, but something that somebody may want to keep'.repeat(20));
  await expect(start({ path: text })).rejects.toMatchObject({ code: 'storage' });
  await expect(start({ path: folder })).rejects.toMatchObject({ code: 'storage' });
});
