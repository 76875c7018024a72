/**
 * Whether the owner of a claim still lives, without clocks: each session keeps an exclusive lock on a small
 * file of its own, and the system frees it when the process dies, however it dies. A stopped process
 * (SIGSTOP) keeps its lock and so its claims.
 *
 * The file is locked through SQLite, never opened otherwise: closing any other descriptor of a file frees
 * the POSIX locks that the process has on it (https://sqlite.org/howtocorrupt.html, section 2.2).
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isEventsError } from '../../core/errors.js';
import { isBusy, storageError } from '../../storage/errors.js';
import { type Database, openDatabase } from '../../storage/sqlite.js';
import type { Broker } from './broker.js';
import { deleteQueue, endConsumer } from './queues.js';
import type { Turn } from './turn.js';

/** Without the journal file that SQLite would lay beside the locked one. */
const LOCK = 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE';

export interface Session {
  readonly id: number;
  /** Ends all that the session has: consumers, claims, exclusive queues, and the lock. */
  close(): Promise<void>;
}

/** Signs a session in under a new name, and clears away what dead processes left half done. */
export async function openSession(broker: Broker, token: string): Promise<Session> {
  const folder = folderOf(broker.path);
  const file = join(folder, token);
  let lock: Database | undefined;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // All under the write lock: a file without a session row is nobody's, and may be cleared away.
    const id = await broker.write(false, (turn) => {
      removeOrphans(turn, folder);
      closeSync(openSync(file, 'wx', 0o600));
      lock = openDatabase(file);
      lock.exec(LOCK);
      turn.prepare('INSERT INTO session (token, pid) VALUES (?, ?)').run(token, process.pid);
      return Number(turn.prepare('SELECT last_insert_rowid()').get()?.[0]);
    });
    return { id, close: () => closeSession(broker, id, file, lock) };
  } catch (error) {
    lock?.close();
    rmSync(file, { force: true });
    throw storageError(file, error);
  }
}

async function closeSession(
  broker: Broker,
  id: number,
  file: string,
  lock: Database | undefined,
): Promise<void> {
  try {
    await broker.write(false, (turn) => endSession(turn, id));
  } catch (error) {
    // A full disk, say. Without its lock the session is dead, and the next process will end it.
    if (!isEventsError(error, 'storage')) throw error;
  } finally {
    lock?.close();
    rmSync(file, { force: true });
  }
}

/** A session that may be dead, as listed in the file. */
export interface Suspect {
  readonly id: number;
  readonly token: string;
  readonly pid: number;
}

/**
 * Ends those of `sessions` whose processes are dead. `thorough` asks the lock of each; otherwise only of those
 * whose pid is gone, which costs a microsecond each. (The pid alone proves nothing: it may be of another
 * container, or used again.)
 */
export async function reapDead(
  broker: Broker,
  sessions: readonly Suspect[],
  thorough: boolean,
): Promise<void> {
  for (const { id, token, pid } of sessions) {
    if (!(thorough || pidIsGone(pid))) continue;
    const file = join(folderOf(broker.path), token);
    const lock = takeLock(file);
    if (lock === 'alive') continue;
    try {
      await broker.write(false, (turn) => endSession(turn, id));
      rmSync(file, { force: true });
    } finally {
      lock?.close();
    }
  }
}

function endSession(turn: Turn, session: number): void {
  for (const [consumer] of turn.prepare('SELECT id FROM consumer WHERE session = ?').all(session)) {
    endConsumer(turn, Number(consumer));
  }
  for (const queue of turn.catalog.queues.values()) {
    if (queue.owner === session) deleteQueue(turn, queue);
  }
  turn.prepare('DELETE FROM session WHERE id = ?').run(session);
}

/** The dead owner's lock, undefined when even its file is gone, or `alive`. */
function takeLock(file: string): Database | 'alive' | undefined {
  if (!existsSync(file)) return undefined;
  let lock: Database | undefined;
  try {
    lock = openDatabase(file);
    lock.exec(LOCK);
    return lock;
  } catch (error) {
    lock?.close();
    if (isBusy(error)) return 'alive';
    // Another reaper was quicker and removed the file under this one's hands (an I/O error then).
    if (!existsSync(file)) return undefined;
    throw error;
  }
}

function pidIsGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Files of processes that died between locking their file and signing in, or between signing out and removing it. */
function removeOrphans(turn: Turn, folder: string): void {
  const known = new Set(
    turn
      .prepare('SELECT token FROM session')
      .all()
      .map(([token]) => token),
  );
  for (const token of readdirSync(folder)) {
    if (known.has(token)) continue;
    const lock = takeLock(join(folder, token));
    if (lock === 'alive') continue;
    rmSync(join(folder, token), { force: true });
    lock?.close();
  }
}

function folderOf(path: string): string {
  return `${path}-sessions`;
}
