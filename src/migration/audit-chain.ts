/**
 * The audit trail as rows that hold on to each other: each has the hash of the one before. Pure; `audit.ts` keeps them.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isStage, type Position, type Stage } from '../core/migration/stage.js';
import type { SampleChange } from './position.js';

/**
 * What became of a move: `done`, or `abandoned` when it was cut off before the file changed; `move` is only seen by who looks at
 * stored rows. `proposal`: somebody else is asked to make the same move.
 */
export type AuditAction = 'move' | 'done' | 'abandoned' | 'proposal';

export interface AuditEntry {
  /** From 1. */
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly by: string;
  readonly action: AuditAction;
  readonly from: Position;
  readonly to: Position;
  /** Where the move changes it. */
  readonly sample?: SampleChange | undefined;
  /** The epoch that the move begins; of a proposal, the one it would. */
  readonly epoch: number;
  readonly reason: string;
  /** The gate, or the rule of one stage at a time, was overruled. */
  readonly forced: boolean;
  /** Name of the rollout that made the move. */
  readonly rollout: string | null;
  /** What the decision was based on, as JSON. */
  readonly evidence: object | null;
  /** SHA-256 of the flag file before it; null: there was none. */
  readonly fileBefore: string | null;
  /** SHA-256 of the flag file that it writes; null for what writes none. */
  readonly fileAfter: string | null;
  /** Hash of the entry before. */
  readonly previous: string;
  /** SHA-256 of this one; the flag file that a move writes has it as `audit`. */
  readonly hash: string;
}

/** An entry before it has its place. */
export type AuditDraft = Omit<AuditEntry, 'seq' | 'previous' | 'hash'>;

/** As it is stored. `text`: canonical JSON of all but the hash and, of a move, the hash of the file that holds this hash. */
export interface AuditRow {
  readonly seq: number;
  readonly text: string;
  readonly hash: string;
  /** Of a move. */
  readonly fileAfter: string | null;
}

/** What the first entry has before it. */
export const NO_ENTRY = '0'.repeat(64);

const hash = z.string().regex(/^[0-9a-f]{64}$/);

const position = z.object({
  stage: z.custom<Stage>(isStage),
  percent: z.number().int().min(1).max(100),
});

const percent = z.number().int().min(0).max(100);

const Text = z.object({
  seq: z.number().int().min(1),
  at: z.iso.datetime(),
  by: z.string(),
  action: z.enum(['move', 'done', 'abandoned', 'proposal']),
  from: position,
  to: position,
  sample: z.object({ from: percent, to: percent }).optional(),
  epoch: z.number().int().min(0),
  reason: z.string(),
  forced: z.boolean(),
  rollout: z.string().nullable(),
  evidence: z.looseObject({}).nullable(),
  fileBefore: hash.nullable(),
  fileAfter: hash.nullable().optional(),
  previous: hash,
});

/** The draft as the entry after `last`; `fileAfter` of a move is set when the file that names the entry is known. */
export function entryAfter(last: AuditEntry | undefined, draft: AuditDraft): AuditEntry {
  const bare = { ...draft, seq: (last?.seq ?? 0) + 1, previous: last?.hash ?? NO_ENTRY };
  return { ...bare, hash: hashOf(hashedText(bare)) };
}

export function rowOf(entry: AuditEntry): AuditRow {
  const { hash: own, ...bare } = entry;
  const fileAfter = entry.action === 'move' ? entry.fileAfter : null;
  return { seq: entry.seq, text: hashedText(bare), hash: own, fileAfter };
}

/** Undefined for a row that is none: its text was damaged. */
export function entryOf(row: AuditRow): AuditEntry | undefined {
  const parsed = Text.safeParse(parseJson(row.text));
  if (!parsed.success) return undefined;
  const { fileAfter = row.fileAfter, ...rest } = parsed.data;
  return { ...rest, fileAfter, hash: row.hash };
}

/**
 * What does not hold together in rows that are in the order of their numbers; empty: nothing. `highest`: the highest number
 * ever given.
 */
export function chainProblems(rows: readonly AuditRow[], highest: number): string[] {
  const problems: string[] = [];
  let before: { readonly seq: number; readonly hash: string } = { seq: 0, hash: NO_ENTRY };
  let open: AuditEntry | undefined;
  for (const row of rows) {
    const entry = entryOf(row);
    problems.push(...gap(before.seq + 1, row.seq - 1));
    if (entry === undefined || hashOf(row.text) !== row.hash || entry.seq !== row.seq) {
      problems.push(`Entry ${row.seq} was altered: its hash is not that of its text.`);
    } else if (row.seq === before.seq + 1 && entry.previous !== before.hash) {
      problems.push(
        `Entry ${row.seq} does not follow entry ${before.seq}: one of them was altered or put there.`,
      );
    }
    if (entry !== undefined) problems.push(...endProblems(open, entry));
    if (entry?.seq === 1 && entry.epoch > 1) {
      problems.push(`Entry 1 begins epoch ${entry.epoch}: the trail of the moves before it is not there.`);
    }
    open = entry?.action === 'move' ? entry : undefined;
    before = row;
  }
  problems.push(...gap(before.seq + 1, highest));
  return problems;
}

function gap(from: number, to: number): string[] {
  if (to < from) return [];
  return [from === to ? `Entry ${from} was removed.` : `Entries ${from} to ${to} were removed.`];
}

/** A move is followed by its end, and an end follows a move; both say the same. */
function endProblems(open: AuditEntry | undefined, entry: AuditEntry): string[] {
  const isEnd = entry.action === 'done' || entry.action === 'abandoned';
  if (!isEnd) return open === undefined ? [] : [`Entry ${open.seq}, a move, has no end.`];
  if (open === undefined) return [`Entry ${entry.seq} ends a move that is not there.`];
  if (open.epoch === entry.epoch && open.fileAfter === entry.fileAfter) return [];
  return [
    `Entry ${entry.seq} does not fit the move that it ends, entry ${open.seq}: one of them was altered.`,
  ];
}

/** `fileAfter` of a move is not part of it: that file holds the hash of this text. */
function hashedText({ fileAfter, ...rest }: Omit<AuditEntry, 'hash'>): string {
  return canonical(rest.action === 'move' ? rest : { ...rest, fileAfter });
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** JSON that is the same for the same value: sorted keys, no blanks. */
export function canonical(value: unknown): string {
  return JSON.stringify(sorted(parseJson(JSON.stringify(value))));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([key, each]) => [key, sorted(each)]));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // told as an altered row
  }
}
