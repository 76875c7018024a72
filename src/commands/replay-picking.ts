/** `replay-dlq` without arguments on a terminal: the operator picks queues, groups and target. */
import type { Transport } from '../core/transport.js';
import { findQueues } from '../dead-letters/find.js';
import { createGrouping, type Group, readDeadLetter } from '../dead-letters/groups.js';
import type { ReplayTarget } from '../dead-letters/replay-types.js';
import type { Settings } from '../project/settings.js';
import { type Choice, checkbox, input, select } from '../terminal/prompt.js';
import { lineForPeople } from '../terminal/safe-text.js';
import type { Criteria } from './dead-letter-selection.js';
import { type Session, untilAborted } from './deps.js';
import { isHarmless, LOOK, type Looked, REMEDY, readQueue } from './dlq-looking.js';

/** One dead-letter queue to replay, and what of it. */
export interface Wanted {
  readonly queue: string;
  readonly criteria: Criteria;
  /** What was found out when it was picked: how many, and which queues gave them up. */
  readonly picked?: { readonly messages: number; readonly to: readonly string[] };
}

/** A queue that was picked. */
export interface PickedQueue extends Looked {
  /** Of all that it holds, where that is known already. */
  readonly groups: readonly Group[] | undefined;
}

/** Asks which queues; none when there are no dead letters. Those whose messages a look would wear out are not looked into. */
export async function pickQueues(
  transport: Transport,
  settings: Settings,
  session: Session,
): Promise<PickedQueue[]> {
  const { terminal, signal } = session;
  const { deadLetterQueues, incomplete } = await untilAborted(findQueues(transport, settings.system), signal);
  if (incomplete !== undefined) {
    terminal.warn(`there may be other dead-letter queues (${incomplete}); name one to replay it. ${REMEDY}`);
  }
  const choices: Choice<PickedQueue>[] = [];
  for (const { name, deliveryLimit } of deadLetterQueues) {
    const depth = (await untilAborted(transport.counts(name), signal))?.ready ?? 0;
    if (depth === 0) continue;
    const looked: Looked = { queue: name, transport, deliveryLimit };
    const groups = isHarmless(looked) ? await groupsOf(looked, settings, session, LOOK) : undefined;
    const reasons = [...new Set(groups?.map(({ reason }) => reason))].join(', ');
    const isAll = depth <= LOOK;
    choices.push({
      value: { ...looked, groups: isAll ? groups : undefined },
      name:
        groups === undefined ? `${name}: ${depth}` : `${name}: ${depth} (${reasons}${isAll ? '' : ', …'})`,
    });
  }
  if (choices.length === 0) return [];
  return checkbox(terminal, 'Which dead-letter queues?', choices, signal);
}

/** Asks which groups of each queue, where there is more than one. */
export async function pickGroups(
  queues: readonly PickedQueue[],
  settings: Settings,
  session: Session,
): Promise<Wanted[]> {
  const wanted: Wanted[] = [];
  for (const looked of queues) {
    const { queue } = looked;
    const groups = looked.groups ?? (await groupsOf(looked, settings, session));
    const choices = groups.map((group) => ({ value: group, name: groupLine(group), checked: true }));
    const picked =
      groups.length < 2
        ? groups
        : await checkbox(session.terminal, `Which groups of ${queue}?`, choices, session.signal);
    const all = picked.length === groups.length;
    wanted.push({
      queue,
      criteria: all ? {} : { groups: picked.map(({ id }) => id) },
      picked: {
        messages: picked.reduce((sum, { count }) => sum + count, 0),
        to: [...new Set(picked.flatMap(({ failedQueues }) => failedQueues))],
      },
    });
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
  looked: Looked,
  { system }: Settings,
  session: Session,
  limit?: number,
): Promise<Group[]> {
  const grouping = createGrouping();
  for await (const message of readQueue(looked, { limit }, session)) {
    grouping.add(readDeadLetter(system.catalog, message, looked.queue));
  }
  return grouping.groups();
}

const LONGEST_LINE = 100;

/** Hidden before it is cut: of half an address nobody can tell that it is one. */
export function groupLine({ id, count, type, reason, exception, message }: Group): string {
  const what = exception === undefined ? '' : `: ${exception}${message ? `: ${message}` : ''}`;
  const line = lineForPeople(`${id}  ${count} × ${type ?? '(no type)'}, ${reason}${what}`);
  return line.length <= LONGEST_LINE ? line : `${line.slice(0, LONGEST_LINE - 1)}…`;
}
