/** The ledger of this user, and the replays in it that were not finished. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { EventsError } from '../core/errors.js';
import type { Transport } from '../core/transport.js';
import { type Ledger, openLedger, type ReplayRecord } from '../dead-letters/ledger.js';
import { isReplayRunning } from '../dead-letters/lock.js';
import { stateFolder } from '../project/state-folder.js';
import type { Session } from './deps.js';
import { whereOptions } from './repeat-options.js';

/** Help of `--ledger`. Not in the folder of the day: another shell must find what was interrupted. */
export const LEDGER_OPTION =
  'where replays are recorded (default atma-events/replays.db in $XDG_STATE_HOME or ~/.local/state; on Windows in %LOCALAPPDATA%)';

/** Opens it, or creates it; closed when the command is over. */
export function openReplayLedger(option: string | undefined, session: Session): Ledger {
  const ledger = openLedger(pathOf(option, session));
  session.defer(() => ledger.close());
  return ledger;
}

/** A replay that is in the ledger. Throws `usage` when it is not; a ledger that is not there is not created. */
export function requireReplay(
  id: string,
  option: string | undefined,
  session: Session,
): { readonly ledger: Ledger; readonly record: ReplayRecord } {
  const path = pathOf(option, session);
  if (!existsSync(path)) {
    throw new EventsError('usage', `There is no ledger ${path}`, {
      hint: 'A replay is resumed by the user who began it, on the same machine, or with --ledger FILE.',
    });
  }
  const ledger = openReplayLedger(option, session);
  const record = ledger.find(id);
  if (record !== undefined) return { ledger, record };
  const open = ledger.list().filter(({ state }) => state === 'running' || state === 'stopped');
  throw new EventsError('usage', `There is no replay "${id}" in ${path}`, {
    hint:
      open.length === 0
        ? 'None in it is unfinished.'
        : `Not finished: ${open.map((each) => `${each.id} (${each.queue})`).join(', ')}.`,
  });
}

/**
 * A replay of the queue whose process died has messages that only its resumption can tell apart. Throws `usage` with
 * both ways out; `queue-locked` when it runs at this moment.
 */
export async function refuseUnfinished(
  queue: string,
  transport: Transport,
  ledger: Ledger,
  option: string | undefined,
  session: Session,
): Promise<void> {
  await refuseRunning(queue, transport);
  const unfinished = ledger.unfinished(await transport.identity(), queue);
  if (unfinished === undefined) return;
  const { id } = unfinished;
  throw new EventsError('usage', `The replay ${id} of ${queue} was not finished`, {
    hint:
      `Bring it to its end: atma-events replay-dlq --resume ${id}${whereOptions(session, option)}. Or give it up: --abandon ${id} ` +
      '(then the next replay sends what this one had not seen confirmed, as possible duplicates).',
  });
}

/**
 * Throws `queue-locked` when a replay of the queue runs at this moment, on whatever machine. Asked before anything is
 * looked at: what a replay has in hand would seem not to be there.
 */
export async function refuseRunning(queue: string, transport: Transport): Promise<void> {
  if (!(await isReplayRunning(transport, queue))) return;
  throw new EventsError('queue-locked', `A replay of ${queue} is running`, {
    hint: 'Wait for its end, or stop it with Ctrl-C where it runs.',
  });
}

function pathOf(option: string | undefined, { terminal }: Session): string {
  const { directory, environment } = terminal.streams;
  return option === undefined ? join(stateFolder(environment), 'replays.db') : resolve(directory, option);
}
