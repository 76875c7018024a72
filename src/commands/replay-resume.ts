/** `--resume` and `--abandon`: what becomes of a replay that was not finished. */
import { EventsError } from '../core/errors.js';
import { requireQueue } from '../dead-letters/find.js';
import type { ReplayRecord } from '../dead-letters/ledger.js';
import { resumeReplay } from '../dead-letters/replay.js';
import type { Settings } from '../project/settings.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { confirm } from '../terminal/prompt.js';
import { readCriteria } from './dead-letter-selection.js';
import { type Session, untilAborted } from './deps.js';
import { refuseRunning, requireReplay } from './replay-ledger.js';
import { type RunOptions, runOne } from './replay-run.js';

/** Not asked about: whoever resumes was asked when it began. */
export async function resumeOne(
  id: string,
  options: RunOptions,
  settings: Settings,
  session: Session,
): Promise<ExitCode> {
  const { ledger, record } = requireReplay(id, options.ledger, session);
  if (record.state === 'finished' || record.state === 'abandoned') {
    throw new EventsError('usage', `The replay ${id} is ${record.state}`, {
      hint: `What is in ${record.queue} now is for a new one: atma-events replay-dlq ${record.queue}`,
    });
  }
  const { queue } = record;
  const criteria = readCriteria(record.criteria);
  const transport = await session.openLazily(settings);
  await untilAborted(requireQueue(transport, settings.system, queue), session.signal);
  const run = await runOne(
    { queue, criteria, fresh: false },
    options,
    { settings, ledger },
    session,
    (common) => resumeReplay(transport, ledger, id, common, { now: session.now }),
  );
  if (session.globals.json) await session.terminal.json(run.document);
  return run.exitCode;
}

/** Forgets what the ledger knows about it, so that a new replay may begin. */
export async function abandonReplay(
  id: string,
  options: RunOptions & { readonly yes: boolean },
  settings: Settings,
  session: Session,
): Promise<ExitCode> {
  const { terminal, globals, signal } = session;
  const { ledger, record } = requireReplay(id, options.ledger, session);
  const { queue } = record;
  const transport = await session.openLazily(settings);
  await untilAborted(refuseRunning(queue, transport), signal);
  const consequence = consequenceOf(record);
  if (!options.yes) {
    if (!terminal.interactive) {
      throw new EventsError('usage', '--abandon needs --yes where there is no terminal to ask on', {
        hint: `${id}: ${consequence}. To bring it to its end: --resume ${id}.`,
      });
    }
    if (!(await confirm(terminal, `Give up replay ${id} of ${queue} (${consequence})?`, false, signal))) {
      terminal.note('Nothing was changed.');
      return EXIT.interrupted;
    }
  }
  if (!ledger.abandon(id)) {
    throw new EventsError('usage', `The replay ${id} is ${record.state}: there is nothing to give up`);
  }
  if (globals.json) await terminal.json({ id, queue, abandoned: true });
  else await terminal.out(`Replay ${id} of ${queue} given up: ${consequence}.`);
  return EXIT.done;
}

/** What becomes of the messages that it left open; pure. */
export function consequenceOf({
  queue,
  claimed,
  confirmed,
}: Pick<ReplayRecord, 'queue' | 'claimed' | 'confirmed'>): string {
  const parts = [
    confirmed > 0 && `${confirmed} delivered: the next replay only takes them off ${queue}`,
    claimed > 0 &&
      `${claimed} perhaps delivered: the next replay sends those it selects, as possible duplicates`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? 'nothing of it is open' : parts.join('; ');
}
