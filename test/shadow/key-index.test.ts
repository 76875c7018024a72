import { describe, expect, test } from 'vitest';
import { createKeyIndex } from '../../src/shadow/key-index.js';
import { createSchedule, type Due } from '../../src/shadow/schedule.js';
import { mulberry32 } from './traffic.js';

describe('the index of keys', () => {
  test('finds exactly what was added and not removed, whatever collides', () => {
    const random = mulberry32(1);
    const index = createKeyIndex();
    const truth = new Map<number, number>();
    for (let row = 1; row <= 30_000; row++) {
      // Few hashes, so that many rows share one, and long runs of slots are in use.
      const hash = Math.floor(random() * 9_000) * 2 ** 21 + 5;
      index.add(hash, row);
      truth.set(row, hash);
      const gone = Math.floor(random() * row) + 1;
      const goneHash = truth.get(gone);
      if (random() < 0.6 && goneHash !== undefined) {
        index.remove(goneHash, gone);
        truth.delete(gone);
      }
    }
    expect(index.size).toBe(truth.size);
    const byHash = new Map<number, number[]>();
    for (const [row, hash] of truth) byHash.set(hash, [...(byHash.get(hash) ?? []), row]);
    for (const [hash, rows] of byHash) {
      const found = index.rows(hash).filter((row) => truth.get(row) === hash);
      expect(found.toSorted((a, b) => a - b)).toEqual(rows);
    }
    const every = new Set([...byHash.keys()].flatMap((hash) => index.rows(hash)));
    expect([...every].filter((row) => !truth.has(row))).toEqual([]);
  });

  test('removing what is not there changes nothing', () => {
    const index = createKeyIndex();
    index.add(7, 1);
    index.remove(7, 2);
    index.remove(8, 1_000);
    expect(index.rows(7)).toEqual([1]);
    expect(index.size).toBe(1);
  });
});

describe('the schedule', () => {
  test('gives what is due first, after any number of moves and removals', () => {
    const random = mulberry32(2);
    const schedule = createSchedule<Due>();
    const entries: Due[] = Array.from({ length: 2_000 }, (_, seq) => ({
      due: Math.floor(random() * 500),
      seq,
      slot: -1,
    }));
    for (const entry of entries) schedule.place(entry);
    for (const entry of entries) {
      const die = random();
      if (die < 0.3) schedule.remove(entry);
      else if (die < 0.6) {
        entry.due = Math.floor(random() * 500);
        schedule.place(entry);
      }
    }
    const left = entries.filter(({ slot }) => slot !== -1).toSorted((a, b) => a.due - b.due || a.seq - b.seq);
    const given: Due[] = [];
    for (let first = schedule.first(); first !== undefined; first = schedule.first()) {
      given.push(first);
      schedule.remove(first);
    }
    expect(given.length).toBeGreaterThan(1_000);
    expect(given).toEqual(left);
  });
});
