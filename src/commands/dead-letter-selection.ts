/** Which dead letters a command means: `--group`, `--filter` and `--ids`, all of which must hold. */
import { z } from 'zod';
import { EventsError } from '../core/errors.js';
import type { Catalog } from '../core/events/catalog.js';
import type { ReceivedMessage } from '../core/message.js';
import { idOf } from '../dead-letters/groups.js';
import { messageHash } from '../dead-letters/message-hash.js';
import { compileDeadLetterFilter } from '../terminal/filter.js';
import { filterRecord, type SeenLetter, seeLetter } from './dlq-reading.js';

const criteriaSchema = z.strictObject({
  groups: z.array(z.string()).optional(),
  filter: z.string().optional(),
  ids: z.array(z.string()).optional(),
  /** Of `dlq edit`: the one dead letter that is meant, by the hash of the message (hex), and what is sent instead. */
  edit: z.strictObject({ original: z.string(), messageId: z.string(), body: z.base64() }).optional(),
});

/** What was asked for. Kept in the ledger as JSON, so that a resumed replay means the same dead letters. */
export type Criteria = z.infer<typeof criteriaSchema>;

export interface Selection {
  /** Undefined: every dead letter. */
  readonly select: ((message: ReceivedMessage) => boolean) | undefined;
  /** The same for a dead letter that has been read already; by group and filter only. */
  matches(seen: SeenLetter): boolean;
  /** Those of `ids` that were not met so far. */
  missingIds(): string[];
  /** Those of `groups` that were not met so far. */
  missingGroups(): string[];
  /** Dead letters that lacked a field which the filter names. */
  unfit(): number;
}

/** Throws `usage` when the filter is none. */
export async function selectionOf(
  criteria: Criteria,
  context: { readonly catalog: Catalog; readonly queue: string; readonly now: () => number },
): Promise<Selection> {
  const { catalog, queue } = context;
  const filter = criteria.filter === undefined ? undefined : await compileDeadLetterFilter(criteria.filter);
  const groups = criteria.groups && new Set(criteria.groups);
  const ids = criteria.ids && new Set(criteria.ids);
  const missingIds = new Set(ids);
  const missingGroups = new Set(groups);
  let unfit = 0;
  const isNamed = (message: ReceivedMessage) => {
    if (ids === undefined) return true;
    const id = idOf(message);
    missingIds.delete(id);
    return ids.has(id);
  };
  const matches = (seen: SeenLetter) => {
    missingGroups.delete(seen.group.id);
    if (groups !== undefined && !groups.has(seen.group.id)) return false;
    const fits = filter === undefined || filter(filterRecord(seen));
    if (fits === undefined) unfit++;
    return fits === true;
  };
  const passes = (message: ReceivedMessage) =>
    (groups === undefined && filter === undefined) ||
    matches(seeLetter(catalog, message, queue, context.now()));
  const { edit } = criteria;
  const isEdited = (message: ReceivedMessage) => edit === undefined || messageHash(message) === edit.original;
  const all = [filter, groups, ids, edit].every((each) => each === undefined);
  return {
    matches,
    select: all ? undefined : (message) => isEdited(message) && isNamed(message) && passes(message),
    missingIds: () => [...missingIds],
    missingGroups: () => [...missingGroups],
    unfit: () => unfit,
  };
}

/** The criteria of options that name one group or a filter. */
export function criteriaOf({
  group,
  filter,
}: {
  readonly group?: string;
  readonly filter?: string;
}): Criteria {
  return { ...(group !== undefined && { groups: [group] }), ...(filter !== undefined && { filter }) };
}

/** Throws `usage` when none of the groups asked for was met. */
export function requireGroups(selection: Selection, criteria: Criteria, queue: string): void {
  const missing = selection.missingGroups();
  if (missing.length === 0 || missing.length !== new Set(criteria.groups).size) return;
  throw new EventsError('usage', `There is no group ${missing.join(', ')} in ${queue}`, {
    hint: `dlq groups ${queue} shows the groups that there are now.`,
  });
}

/** The criteria of a replay in the ledger. Throws `input-invalid` when another version wrote what this one cannot read. */
export function readCriteria(text: string | undefined): Criteria {
  if (text === undefined) return {};
  try {
    return criteriaSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new EventsError(
      'input-invalid',
      'The ledger does not tell which dead letters this replay selects',
      {
        hint: 'It was begun by another version of atma-events: resume it with that one, or give it up with --abandon.',
        cause,
      },
    );
  }
}

/** A list of group names, as `dlq groups` prints them. Throws `usage` on what is none. */
export function groupName(text: string): string {
  const name = text.toLowerCase();
  if (!/^[0-9a-f]{8}$/.test(name)) {
    throw new EventsError('usage', `"${text}" is not a group`, {
      hint: 'Groups are named by eight hexadecimal digits: see dlq groups QUEUE.',
    });
  }
  return name;
}

/** `a,b` as a list. Throws `usage` when it is empty. */
export function idList(text: string): string[] {
  const ids = text
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
  if (ids.length === 0) throw new EventsError('usage', 'No message id given');
  return ids;
}
