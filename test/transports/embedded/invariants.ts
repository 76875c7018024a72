/** What must hold in a broker file after every commit, whoever made it. Reads the file itself. */
import { openDatabase } from '../../../src/storage/sqlite.js';

/** An entry's lane and its position in it; see `lane.ts`. */
const laneOf = (id: string) => `(${id} >> 36)`;
const positionOf = (id: string) => `(${id} & ((1 << 36) - 1))`;

/** Entries that were handed out: below the head of their lane. */
const OUT = `entry e JOIN lane l ON l.id = ${laneOf('e.id')} AND ${positionOf('e.id')} < l.head`;
const IN_CLAIM = 'EXISTS (SELECT 1 FROM claim c WHERE e.id BETWEEN c.lo AND c.hi)';
const IS_RETURNED = 'e.id IN (SELECT id FROM returned)';
const IS_REHELD = 'e.id IN (SELECT id FROM reheld)';
/** The ready entries of lane `l`. */
const READY = `SELECT e.id, e.message, e.expires FROM entry e
  WHERE ${laneOf('e.id')} = l.id AND (${positionOf('e.id')} >= l.head OR ${IS_RETURNED})`;

/** Each with the query that finds what breaks it. */
const INVARIANTS: Readonly<Record<string, string>> = {
  'a message counts the entries that name it, and has one at least': `
    SELECT m.id, m.refs, count(e.id) FROM message m LEFT JOIN entry e ON e.message = m.id
    GROUP BY m.id HAVING m.refs <> count(e.id) OR m.refs < 1`,
  'an entry has its message': 'SELECT id, message FROM entry WHERE message NOT IN (SELECT id FROM message)',
  'an entry is in a lane, below its next position': `
    SELECT e.id FROM entry e LEFT JOIN lane l ON l.id = ${laneOf('e.id')}
    WHERE l.id IS NULL OR ${positionOf('e.id')} >= l.next`,
  'a lane belongs to a queue': 'SELECT id FROM lane WHERE queue NOT IN (SELECT id FROM queue)',
  'a queue has a message once': `
    SELECT l.queue, e.message FROM entry e JOIN lane l ON l.id = ${laneOf('e.id')}
    GROUP BY l.queue, e.message HAVING count(*) > 1`,
  'every position from the head on has its entry': `
    SELECT l.id, l.head, l.next FROM lane l WHERE l.next - l.head <>
    (SELECT count(*) FROM entry WHERE id >= (l.id << 36) + l.head AND id < (l.id + 1) << 36)`,
  'a lane counts its ready entries': `
    SELECT l.id, l.ready FROM lane l WHERE l.ready <> (SELECT count(*) FROM (${READY}))`,
  'a lane counts the bytes of its ready entries': `
    SELECT l.id, l.bytes FROM lane l WHERE l.bytes <>
    (SELECT total(length(m.body)) FROM (${READY}) r JOIN message m ON m.id = r.message)`,
  'a lane knows that something in it expires': `
    SELECT l.id FROM lane l WHERE l.expiring = 0 AND EXISTS (SELECT 1 FROM (${READY}) WHERE expires IS NOT NULL)`,
  'what was handed out is held by somebody or back': `
    SELECT e.id FROM ${OUT} WHERE NOT (${IN_CLAIM} OR ${IS_REHELD} OR ${IS_RETURNED})`,
  'what is back is held by nobody': 'SELECT id FROM returned WHERE id IN (SELECT id FROM reheld)',
  'what is back or held again was handed out': `
    SELECT id FROM (SELECT id FROM returned UNION ALL SELECT id FROM reheld)
    WHERE id NOT IN (SELECT e.id FROM ${OUT})`,
  'a claim is a range of one lane below its head': `
    SELECT c.lo, c.hi FROM claim c LEFT JOIN lane l ON l.id = ${laneOf('c.lo')}
    WHERE l.id IS NULL OR ${laneOf('c.hi')} <> l.id OR c.lo > c.hi OR ${positionOf('c.hi')} >= l.head`,
  'claims do not overlap': `
    SELECT a.lo, b.lo FROM claim a JOIN claim b ON a.lo < b.lo AND b.lo <= a.hi`,
  'a claim stands for an entry at least': `
    SELECT c.lo, c.hi FROM claim c WHERE NOT EXISTS (SELECT 1 FROM entry e
    WHERE e.id BETWEEN c.lo AND c.hi AND NOT (${IS_RETURNED} OR ${IS_REHELD}))`,
  'who holds an entry consumes its queue': `
    SELECT h.id, h.consumer FROM (SELECT lo AS id, consumer FROM claim UNION ALL SELECT id, consumer FROM reheld) h
    LEFT JOIN lane l ON l.id = ${laneOf('h.id')} LEFT JOIN consumer c ON c.id = h.consumer
    WHERE c.id IS NULL OR l.id IS NULL OR c.queue <> l.queue`,
  'a consumer has its queue and its session': `
    SELECT id FROM consumer WHERE queue NOT IN (SELECT id FROM queue) OR session NOT IN (SELECT id FROM session)`,
  'an exclusive queue has its owner': `
    SELECT id FROM queue WHERE exclusive = 1 AND owner NOT IN (SELECT id FROM session)`,
  'a binding has both its ends': `
    SELECT exchange, queue FROM binding
    WHERE exchange NOT IN (SELECT name FROM exchange) OR queue NOT IN (SELECT id FROM queue)`,
};

/** What does not hold in the file, with the first rows that break it; empty for a sound one. */
export function brokenInvariants(path: string): string[] {
  return reading(path, (all) =>
    Object.entries(INVARIANTS).flatMap(([invariant, query]) => {
      const rows = all(query);
      return rows.length === 0
        ? []
        : [`${invariant}: ${rows.length} times not, as in ${rows.slice(0, 3).join(' ')}`];
    }),
  );
}

/** How much is in the file, whatever queue it is in. */
export function stored(path: string): { messages: number; entries: number } {
  return reading(path, (all) => {
    const [[messages, entries] = []] = all(
      'SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM entry)',
    );
    return { messages: Number(messages), entries: Number(entries) };
  });
}

/** All looks see the same commit. */
function reading<T>(path: string, look: (all: (sql: string) => string[][]) => T): T {
  const database = openDatabase(path, { busyTimeoutMs: 10_000 });
  try {
    database.exec('BEGIN');
    return look((sql) =>
      database
        .prepare(sql)
        .all()
        .map((row) => row.map(String)),
    );
  } finally {
    database.close();
  }
}
