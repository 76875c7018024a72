/** What is left of a matching when its process has gone. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openSpill, scratchSpill } from '../../src/shadow/spill.js';
import { createScene, everyPlant, inOrder, oneJob, planted } from './scene.js';
import { generateTraffic, START } from './traffic.js';

const HOUR = 3_600_000;

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});
function storePath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'shadow-matcher-'));
  folders.push(folder);
  return join(folder, 'matching.db');
}

describe('a restart', () => {
  test('goes on as if there had been none, wherever it happens', () => {
    const traffic = generateTraffic({ seed: 6, days: 0.3, jobs: 60, faults: everyPlant(2) });
    const lines = inOrder(traffic);
    const path = storePath();
    for (let from = 0; from < lines.length; from += 37) {
      const { matcher, callbacks, events, advance } = createScene({ spill: openSpill(path) });
      expect(matcher.note).toBe(from === 0 ? undefined : String(from));
      for (const { path: side, line } of lines.slice(from, from + 37)) {
        (side === 'callback' ? callbacks : events)([line]);
        advance(line.at);
      }
      matcher.checkpoint(String(from + 37));
      matcher.close();
    }
    const { matcher, advance, found } = createScene({ spill: openSpill(path) });
    advance(START + 72 * HOUR);
    expect(found()).toEqual(planted(traffic));
    matcher.close();
  });

  test('a duplicate after it is a duplicate', () => {
    const path = storePath();
    const traffic = oneJob();
    const before = createScene({ spill: openSpill(path) });
    before.callbacks(traffic.callbacks);
    before.events(traffic.events);
    before.advance(START + 10 * 60_000);
    expect(before.matcher.counts().totals.match).toBe(2);
    before.matcher.checkpoint('');
    before.matcher.close();

    const after = createScene({ spill: openSpill(path) });
    after.events(traffic.events);
    expect(after.matcher.counts().totals).toMatchObject({ match: 0, duplicate: 2 });
    expect(after.changes.map(({ kind }) => kind)).toEqual(['reclassified', 'reclassified']);
    after.matcher.close();
  });

  test('what came after the last checkpoint is gone as a whole, counts and legs alike', () => {
    const path = storePath();
    const traffic = oneJob();
    const before = createScene({ spill: openSpill(path), memoryLimit: 1 });
    before.callbacks(traffic.callbacks);
    before.matcher.checkpoint('callbacks');
    before.events(traffic.events);
    before.advance(START + 10 * 60_000);
    expect(before.matcher.counts().totals.match).toBe(2);
    before.matcher.close(); // as if killed: nothing since the checkpoint was committed

    const after = createScene({ spill: openSpill(path) });
    expect(after.matcher.note).toBe('callbacks');
    expect(after.matcher.counts().totals).toMatchObject({ match: 0, pending: 2 });
    after.events(traffic.events);
    after.advance(START + 10 * 60_000);
    expect(after.matcher.counts().totals).toMatchObject({ match: 2, pending: 0 });
    after.matcher.close();
  });

  test('the file is its owner’s alone, and holds no secret, address or body', () => {
    const path = storePath();
    const traffic = generateTraffic({ seed: 6, days: 0.3, jobs: 10, faults: everyPlant(1) });
    const { matcher, callbacks, events, advance } = createScene({
      spill: openSpill(path),
      rememberMs: 48 * HOUR,
    });
    callbacks(traffic.callbacks);
    events(traffic.events);
    advance(START + 8 * HOUR);
    matcher.checkpoint('');
    matcher.close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const folder = join(path, '..');
    const bytes = Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))));
    for (const secret of ['geheim', 'budi@', 'userEmail', 'estimatedProcessingTime'])
      expect(bytes.includes(secret)).toBe(false);
    expect(bytes.includes('mismatch')).toBe(true); // so that the search would find something
  });
});

test('a temporary spill leaves nothing behind, even when its process is killed', () => {
  const name = 'atma-events-shadow-';
  const before = new Set(readdirSync(tmpdir()));
  const spill = scratchSpill();
  const tracks = Array.from({ length: 20_000 }, (_, seq) => ({
    ...{ key: `["notification","${seq}"]`, due: seq, seq, open: seq % 2 === 0, text: 'x'.repeat(500) },
  }));
  spill.put(tracks); // more than its cache holds: the file itself is written
  // On Windows an open file keeps its name, and goes when it is closed.
  const left = readdirSync(tmpdir()).filter((each) => each.startsWith(name) && !before.has(each));
  if (process.platform !== 'win32') expect(left).toEqual([]);
  expect(spill.take('["notification","777"]')).toEqual(tracks[777]);
  expect(spill.takeDue(2, 10).map(({ due }) => due)).toEqual([0, 2]);
  expect(spill.nextDue()).toBe(4);
  spill.forget(1_001);
  expect(spill.take('["notification","1001"]')).toBeUndefined();
  expect(spill.take('["notification","1003"]')).toEqual(tracks[1_003]);
  spill.close();
  expect(readdirSync(tmpdir()).filter((each) => each.startsWith(name) && !before.has(each))).toEqual([]);
});
