/** What a replay would do, looked at before it is done: for `--dry-run`, and for the question on a terminal. */
import type { Transport } from '../core/transport.js';
import { type DeliveryLimit, findDeliveryLimits } from '../dead-letters/find.js';
import { type Preview, previewReplay } from '../dead-letters/preview.js';
import type { ReplayTarget } from '../dead-letters/replay-types.js';
import type { Settings } from '../project/settings.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { confirm } from '../terminal/prompt.js';
import { forPeople } from '../terminal/safe-text.js';
import { requireGroups, selectionOf } from './dead-letter-selection.js';
import type { Session } from './deps.js';
import {
  isHarmless,
  LOOK,
  type Looked,
  type LookOptions,
  readQueue,
  warnOfHandingBack,
} from './dlq-looking.js';
import { lettersText } from './dlq-reading.js';
import { refuseRunning } from './replay-ledger.js';
import type { Wanted } from './replay-picking.js';
import { previewDocument, renderPreview, renderRoutes } from './replay-preview.js';
import type { ReplayDlqOptions } from './replay-usage.js';

export interface Job {
  readonly wanted: readonly Wanted[];
  readonly target: ReplayTarget;
  readonly options: ReplayDlqOptions;
  readonly transport: Transport;
  readonly settings: Settings;
}

/** Shows what would go where, of all that is there. */
export async function dryRun(job: Job, session: Session): Promise<ExitCode> {
  const { terminal, globals } = session;
  const documents: object[] = [];
  const limits = await findDeliveryLimits(job.transport);
  for (const each of job.wanted) {
    await refuseRunning(each.queue, job.transport);
    const at = lookedAt(each, job, limits);
    const { preview, missingIds } = await look(each, job, at, { anyway: job.options.yes }, session);
    if (globals.json) documents.push(previewDocument(each.queue, preview, missingIds));
    else {
      await terminal.out(renderPreview(each.queue, preview));
      if (missingIds.length > 0)
        terminal.warn(forPeople(`not in ${each.queue}: ${missingIds.slice(0, 5).join(', ')}`));
    }
  }
  if (globals.json) await terminal.json(documents.length === 1 ? documents[0] : documents);
  return EXIT.done;
}

/**
 * The queues to replay: on a terminal those that the person says yes to. Rejects with `usage` where what is handed back
 * could be given up for it.
 */
export async function agreedOn(job: Job, session: Session): Promise<Wanted[]> {
  const { terminal, signal } = session;
  const { options, target, transport } = job;
  const asking = terminal.interactive && !options.yes;
  // Of these something is handed back: what is not meant, not tried any more, or came when a place was free.
  const isPartial = ({ criteria }: Wanted) =>
    Object.keys(criteria).length > 0 || options.limit !== undefined || options.canary !== undefined;
  // The whole queue is looked at where the person is owed the whole answer.
  const isWhole = target.kind === 'exchange';
  if (!isWhole && !asking && !job.wanted.some(isPartial)) return [...job.wanted];
  const limits = await findDeliveryLimits(transport);
  const agreed: Wanted[] = [];
  for (const each of job.wanted) {
    const at = lookedAt(each, job, limits);
    const careful = !isHarmless(at);
    const isBeforeTaking = careful && isPartial(each);
    // A look costs: what picking has found out will do for a question.
    const known = careful && !isWhole && !isBeforeTaking && each.picked !== undefined;
    const limit = isWhole || isBeforeTaking ? undefined : LOOK;
    const how = { limit, isBeforeTaking, anyway: !isBeforeTaking && !asking };
    const mustLook = (isWhole || asking || isBeforeTaking) && !known;
    const found = mustLook ? await look(each, job, at, how, session) : undefined;
    if (isBeforeTaking) warnOfHandingBack(at, session);
    for (const line of found === undefined ? [] : renderRoutes(found.preview)) terminal.note(line);
    if (found?.preview.selected === 0 && !found.isCut) terminal.note(`${each.queue}: nothing to replay.`);
    // What lies beyond what was looked at is moved, too: nothing goes without having been asked about.
    const isNothing = found !== undefined && !found.isCut && goingIn(found.preview) === 0;
    if (
      asking &&
      !isNothing &&
      !(await confirm(terminal, `${job.transport.address}: ${question(each, found)}`, true, signal))
    ) {
      terminal.note(`Nothing of ${each.queue} was moved.`);
      continue;
    }
    agreed.push(each);
  }
  return agreed;
}

interface Found {
  readonly preview: Preview;
  readonly missingIds: readonly string[];
  /** There is more in the queue than was looked at, and it may be meant. */
  readonly isCut: boolean;
}

function lookedAt({ queue }: Wanted, { transport }: Job, limits: (queue: string) => DeliveryLimit): Looked {
  return { queue, transport, deliveryLimit: limits(queue) };
}

async function look(
  { queue, criteria }: Wanted,
  { target, options, transport, settings }: Job,
  at: Looked,
  how: LookOptions,
  session: Session,
): Promise<Found> {
  const { limit } = how;
  const { catalog, topology } = settings.system;
  const selection = await selectionOf(criteria, { catalog, queue, now: session.now });
  const preview = await previewReplay(transport, readQueue(at, how, session), {
    ...{ queue, target, catalog, topology },
    select: selection.select,
    limit: options.limit,
  });
  if (limit === undefined) requireGroups(selection, criteria, queue);
  return {
    preview,
    missingIds: limit === undefined ? selection.missingIds() : [],
    isCut:
      limit !== undefined &&
      preview.seen >= limit &&
      preview.selected < (options.limit ?? Number.POSITIVE_INFINITY),
  };
}

function goingIn({ rows }: Preview): number {
  return rows.reduce((sum, { count }) => sum + count, 0);
}

/** Pure; what it asks about a queue that was not looked at now is what was found when it was picked. */
export function question({ queue, picked }: Wanted, found: Omit<Found, 'missingIds'> | undefined): string {
  if (found === undefined) {
    const { messages, to = [] } = picked ?? { messages: undefined };
    return `Replay ${messages === undefined ? 'the dead letters' : lettersText(messages)} of ${queue}${placesText(to)}?`;
  }
  const { preview, isCut } = found;
  const going = goingIn(preview);
  const places = preview.rows.flatMap(({ queues, address }) => queues ?? [`exchange ${address.exchange}`]);
  const to = placesText([...new Set(places)]);
  const staying = preview.selected > going ? ` (${preview.selected - going} would be skipped)` : '';
  if (!isCut) return `Replay ${lettersText(going)} of ${queue}${to}?${staying}`;
  if (going > 0) return `Replay ${going} or more dead letters of ${queue}${to}?${staying}`;
  return `Replay dead letters of ${queue}? How many is not known: they lie beyond the first ${LOOK.toLocaleString('en')}.${staying}`;
}

function placesText(places: readonly string[]): string {
  if (places.length === 0) return '';
  return ` to ${places.slice(0, 3).join(', ')}${places.length > 3 ? ', …' : ''}`;
}
