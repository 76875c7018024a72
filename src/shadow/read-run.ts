/** A shadow run as its store tells it: at one moment, also while it goes on. */
import { existsSync, statSync } from 'node:fs';
import { z } from 'zod';
import { EventsError } from '../core/errors.js';
import { isFileLocked } from '../storage/file-lock.js';
import { type Database, openDatabase } from '../storage/sqlite.js';
import { RUN_FILE } from './run-file.js';
import type { FilePlaces } from './run-item.js';
import type { LegRow, RunSummary } from './run-summary.js';

/** What the recording writes with each checkpoint. */
export interface RunNote {
  readonly startedAt: number;
  readonly savedAt: number;
  /** It was ended in order. */
  readonly ended: boolean;
  readonly summary: RunSummary;
  /** Of the account. */
  readonly account: unknown;
  readonly skew: unknown;
  /** Number of the last record. */
  readonly lines: number;
  /** How far each file was read. */
  readonly places: FilePlaces;
  /** Absent where an older version wrote it, which did not look. */
  readonly flags?: readonly FlagSeen[];
}

/** The flag file from that time on. */
export interface FlagSeen {
  /** SHA-256 of the file in hex; null: there was no file. */
  readonly hash: string | null;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Stands for the hash where nobody looked: equal to no file's. */
const UNSEEN = 'not seen';

export interface StoredRun {
  /** As of `savedAt`. */
  readonly summary: RunSummary;
  /** `stopped`: its process went without ending it (killed, or the machine). */
  readonly state: 'running' | 'ended' | 'stopped';
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly savedAt: number;
  /** Digest of the mapping by which it compares. */
  readonly mapping: string;
  /** What the flag file was while it was recorded, in order; the first entry is how it began. Empty: not seen yet. */
  readonly flags: readonly FlagSeen[];
  /** Legs that did not match, the latest first, at most so many. */
  legs(limit: number): LegRow[];
  /** How many there are to be had, at most 100,000. */
  readonly legCount: number;
  close(): void;
}

const noteSchema = z.looseObject({
  startedAt: z.number(),
  savedAt: z.number(),
  ended: z.boolean(),
  lines: z.number(),
  places: z.record(z.string(), z.object({ inode: z.number(), offset: z.number() })),
  flags: z.array(z.object({ hash: z.string().nullable(), at: z.number() })).optional(),
  summary: z.looseObject({ counts: z.unknown(), observations: z.number() }),
});
const stateSchema = z.looseObject({ mapping: z.string(), note: z.string() });

/** Throws `storage` for what is no note of ours. */
export function parseNote(path: string, text: string): RunNote {
  const parsed = noteSchema.safeParse(jsonOf(text));
  // Its parts are our own, of a file of our own and of this version.
  if (parsed.success) return parsed.data as unknown as RunNote;
  throw damaged(path, parsed.error);
}

/** What is known of the flag file during the run. */
export function flagsOf({ flags, startedAt }: Pick<RunNote, 'flags' | 'startedAt'>): readonly FlagSeen[] {
  return flags ?? [{ hash: UNSEEN, at: startedAt }];
}

/**
 * Opens the store of a run to look at it. Throws `usage` when there is none, or nothing in it yet; `storage` for a file
 * of another kind. What is read is of one moment: close it soon, for SQLite keeps all that comes later in the -wal.
 */
export function readRun(path: string): StoredRun {
  if (!existsSync(path)) throw noRun(`There is no shadow run at ${path}`);
  refuseFolder(path);
  const database = openDatabase(path, { readonly: true, busyTimeoutMs: 1_000 });
  try {
    requireOwn(path, database);
    database.exec('BEGIN');
    const text = database.prepare('SELECT text FROM state').get()?.[0];
    if (typeof text !== 'string') throw noRun(`The shadow run at ${path} has not saved anything yet`);
    const state = stateSchema.safeParse(jsonOf(text));
    if (!state.success) throw damaged(path, state.error);
    const note = parseNote(path, state.data.note);
    const { summary, startedAt, savedAt, ended } = note;
    const rows = database.prepare('SELECT text FROM legs ORDER BY at DESC, key LIMIT ?');
    return {
      summary,
      startedAt,
      savedAt,
      state: isFileLocked(path) ? 'running' : ended ? 'ended' : 'stopped',
      mapping: state.data.mapping,
      flags: flagsOf(note),
      legs: (limit) => rows.all(limit).map(([row]) => JSON.parse(String(row)) as LegRow),
      legCount: Number(database.prepare('SELECT count(*) FROM legs').get()?.[0]),
      close: () => database.close(),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Throws `storage` for a file that is something else, `usage` for a folder. */
export function requireRun(path: string): void {
  refuseFolder(path);
  const database = openDatabase(path, { readonly: true, busyTimeoutMs: 1_000 });
  try {
    requireOwn(path, database);
  } finally {
    database.close();
  }
}

/** SQLite would complain about the disk. */
function refuseFolder(path: string): void {
  if (!statSync(path).isDirectory()) return;
  throw new EventsError('usage', `${path} is a folder`, { hint: 'Name the file in it: --store FILE.' });
}

function requireOwn(path: string, database: Database): void {
  const [application, version] =
    database
      .prepare('SELECT application_id, user_version FROM pragma_application_id, pragma_user_version')
      .get() ?? [];
  if (application !== RUN_FILE.applicationId) {
    throw new EventsError(
      'storage',
      `${path} is no shadow run, but a database of another program or purpose`,
      {
        hint: 'Give the file that shadow run was given with --store.',
      },
    );
  }
  if (Number(version) > RUN_FILE.version) {
    throw new EventsError('storage', `${path} was written by a newer atma-events (format ${version})`, {
      hint: `This one reads format ${RUN_FILE.version}. Update atma-events.`,
    });
  }
}

function noRun(what: string): EventsError {
  return new EventsError('usage', what, {
    hint: 'shadow run records one; --store names its file.',
  });
}

function damaged(path: string, cause: unknown): EventsError {
  return new EventsError('storage', `${path} holds a shadow run that cannot be read`, {
    cause,
    hint: 'It may be damaged, or of another version. Start a new run with another --store.',
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the schema says that it is none
  }
}
