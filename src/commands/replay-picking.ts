/** `replay-dlq` without arguments on a terminal: the operator picks queues, groups and target. */
import { EventsError } from '../core/errors.js';
import type { Transport } from '../core/transport.js';
import { findQueues } from '../dead-letters/find.js';
import { createGrouping, type Group, readDeadLetter } from '../dead-letters/groups.js';
import type { ReplayTarget } from '../dead-letters/replay-types.js';
import type { Settings } from '../project/settings.js';
import { type Choice, checkbox, input, select } from '../terminal/prompt.js';
import type { Criteria } from './dead-letter-selection.js';
import type { Session } from './deps.js';

/** One dead-letter queue to replay, and what of it. */
export interface Wanted {
  readonly queue: string;
  readonly criteria: Criteria;
}

/** Dead letters looked at to say which reasons a queue holds: enough to choose by, and quick on a deep queue. */
const LOOK = 1_000;

/** Asks which queues; none when there are no dead letters. */
export async function pickQueues(
  transport: Transport,
  settings: Settings,
  session: Session,
): Promise<string[]> {
  const { terminal, signal } = session;
  const { deadLetterQueues, incomplete } = await findQueues(transport, settings.system);
  if (incomplete !== undefined) {
    terminal.warn(`there may be other dead-letter queues (${incomplete}); name one to replay it`);
  }
  const choices: Choice<string>[] = [];
  for (const { name } of deadLetterQueues) {
    const depth = (await transport.counts(name))?.ready ?? 0;
    if (depth === 0) continue;
    const groups = await groupsOf(transport, name, settings, signal, LOOK);
    const reasons = [...new Set(groups.map(({ reason }) => reason))].join(', ');
    choices.push({ value: name, name: `${name}: ${depth} (${reasons}${depth > LOOK ? ', …' : ''})` });
  }
  if (choices.length === 0) return [];
  return checkbox(terminal, 'Which dead-letter queues?', choices, signal);
}

/** Asks which groups of each queue, where there is more than one. */
export async function pickGroups(
  queues: readonly string[],
  transport: Transport,
  settings: Settings,
  session: Session,
): Promise<Wanted[]> {
  const wanted: Wanted[] = [];
  for (const queue of queues) {
    const groups = await groupsOf(transport, queue, settings, session.signal);
    if (groups.length < 2) {
      wanted.push({ queue, criteria: {} });
      continue;
    }
    const choices = groups.map((group) => ({ value: group.id, name: groupLine(group), checked: true }));
    const picked = await checkbox(session.terminal, `Which groups of ${queue}?`, choices, session.signal);
    const all = picked.length === groups.length;
    wanted.push({ queue, criteria: all ? {} : { groups: picked } });
  }
  return wanted;
}

export async function pickTarget({ terminal, signal }: Session): Promise<ReplayTarget> {
  const kind = await select(
    terminal,
    'Where to?',
    [
      { value: 'queue', name: 'the queue that gave them up: nobody else gets them again' },
      { value: 'exchange', name: 'their first exchange and routing key: every queue bound for it gets them' },
      { value: 'name', name: 'another queue' },
    ] as const,
    signal,
  );
  if (kind !== 'name') return { kind };
  const check = (text: string) => (text.trim() === '' ? 'Name a queue.' : undefined);
  return { kind, queue: (await input(terminal, 'Name of the queue:', check, signal)).trim() };
}

async function groupsOf(
  transport: Transport,
  queue: string,
  { system }: Settings,
  signal: AbortSignal,
  limit?: number,
): Promise<Group[]> {
  const grouping = createGrouping();
  for await (const message of transport.browse(queue, limit === undefined ? {} : { limit })) {
    if (signal.aborted) throw new EventsError('interrupted', 'Interrupted: nothing was changed');
    grouping.add(readDeadLetter(system.catalog, message, queue));
  }
  return grouping.groups();
}

const LONGEST_LINE = 100;

function groupLine({ id, count, type, reason, exception, message }: Group): string {
  const what = exception === undefined ? '' : `: ${exception}${message ? `: ${message}` : ''}`;
  const line = `${id}  ${count} × ${type ?? '(no type)'}, ${reason}${what}`;
  return line.length <= LONGEST_LINE ? line : `${line.slice(0, LONGEST_LINE - 1)}…`;
}
