/** What a run notes of the flag file while it records: every state, in order, over its restarts. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, test } from 'vitest';
import { fileHash } from '../../src/migration/flag-document.js';
import { createFlagLook } from '../../src/shadow/flag-look.js';
import { readRun } from '../../src/shadow/read-run.js';
import { openRecording } from '../../src/shadow/recording.js';
import { openDatabase } from '../../src/storage/sqlite.js';
import { temporaryFolder } from '../commands/cli.js';
import { SHADOW, TOPOLOGY } from './scene.js';

function recordingAt(path: string, startedAt: number) {
  const recording = openRecording(
    { path, mapping: SHADOW, topology: TOPOLOGY, sources: { proxy: 'callback', taps: 'event' } },
    startedAt,
  );
  onTestFinished(() => recording.close());
  return recording;
}

function flagsIn(path: string) {
  const run = readRun(path);
  run.close();
  return run.flags;
}

it('keeps each state of the file once, with the time since when, over restarts', () => {
  const path = join(temporaryFolder(), 'shadow.db');
  const first = recordingAt(path, 1_000);
  first.checkpoint(1_500, false);
  expect(flagsIn(path)).toEqual([]);
  first.take({ kind: 'flag', hash: null, at: 1_600 }, 1_600);
  first.take({ kind: 'flag', hash: 'a', at: 2_000 }, 2_000);
  first.take({ kind: 'flag', hash: 'a', at: 3_000 }, 3_000);
  first.checkpoint(3_500, false);
  first.take({ kind: 'flag', hash: 'lost', at: 3_600 }, 3_600);
  first.close();
  const second = recordingAt(path, 4_000);
  second.take({ kind: 'flag', hash: 'a', at: 4_000 }, 4_000);
  second.take({ kind: 'flag', hash: 'b', at: 5_000 }, 5_000);
  second.checkpoint(5_500, true);
  expect(flagsIn(path)).toEqual([
    { hash: null, at: 1_600 },
    { hash: 'a', at: 2_000 },
    { hash: 'b', at: 5_000 },
  ]);
});

it('says of a run of an older version that nobody looked, also once it went on', () => {
  const path = join(temporaryFolder(), 'shadow.db');
  const old = recordingAt(path, 1_000);
  old.checkpoint(2_000, true);
  old.close();
  const database = openDatabase(path, {});
  const text = String(database.prepare('SELECT text FROM state').get()?.[0]);
  const state = JSON.parse(text);
  const { flags, ...note } = JSON.parse(state.note);
  expect(flags).toEqual([]);
  database.prepare('UPDATE state SET text = ?').run(JSON.stringify({ ...state, note: JSON.stringify(note) }));
  database.close();

  const [unseen] = flagsIn(path);
  expect(unseen).toEqual({ hash: expect.not.stringMatching(/^[0-9a-f]{64}$/), at: 1_000 });
  const recording = recordingAt(path, 3_000);
  recording.take({ kind: 'flag', hash: 'a', at: 4_000 }, 4_000);
  recording.checkpoint(5_000, true);
  expect(flagsIn(path)).toEqual([unseen, { hash: 'a', at: 4_000 }]);
});

it('doubts a run in which the file changed more often than any migration moves', () => {
  const path = join(temporaryFolder(), 'shadow.db');
  const recording = recordingAt(path, 1_000);
  for (let at = 0; at < 300; at++) recording.take({ kind: 'flag', hash: `${at}`, at }, at);
  const { doubts } = recording.checkpoint(5_000, true);
  expect(doubts).toEqual([expect.stringContaining('The flag file changed more than 200 times')]);
  expect(flagsIn(path)).toHaveLength(200);
});

test('a look tells the hash of the file as it is, and nothing where it cannot be read', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'flags.json');
  const seen: (string | null)[] = [];
  const { look, looked } = createFlagLook(path, (hash) => void seen.push(hash));
  const lookNow = async () => {
    look();
    look(); // while one goes on there is no other
    await looked();
  };
  await lookNow();
  writeFileSync(path, '{"flags":{}}');
  await lookNow();
  writeFileSync(join(folder, 'next'), '{}');
  renameSync(join(folder, 'next'), path);
  await lookNow();
  rmSync(path);
  mkdirSync(path);
  await lookNow();
  expect(seen).toEqual([null, fileHash(Buffer.from('{"flags":{}}')), fileHash(Buffer.from('{}'))]);
});

test('without a path nothing is looked at', async () => {
  const seen: unknown[] = [];
  const { look, looked } = createFlagLook(undefined, (hash) => void seen.push(hash));
  look();
  await looked();
  expect(seen).toEqual([]);
});
