import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import { EventsError } from '../core/errors.js';
import type { ReceivedMessage } from '../core/message.js';
import type { Transport } from '../core/transport.js';
import { idOf } from '../dead-letters/groups.js';
import type { Ledger } from '../dead-letters/ledger.js';
import { messageHash } from '../dead-letters/message-hash.js';
import { nameOf, previewReplay } from '../dead-letters/preview.js';
import { startReplay } from '../dead-letters/replay.js';
import type { System } from '../presets/preset.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { lineDiff } from '../terminal/line-diff.js';
import { confirm } from '../terminal/prompt.js';
import { forPeople } from '../terminal/safe-text.js';
import type { Criteria } from './dead-letter-selection.js';
import { type CommandDeps, type Session, untilAborted } from './deps.js';
import { editableBody } from './dlq-edit-body.js';
import { type Edited, fromEditor, fromFile } from './dlq-edit-source.js';
import { type OpenQueue, openQueue, readQueue, warnOfHandingBack } from './dlq-looking.js';
import { shellWord, whereOptions } from './repeat-options.js';
import { LEDGER_OPTION, openReplayLedger, refuseRunning, refuseUnfinished } from './replay-ledger.js';
import { renderRoutes } from './replay-preview.js';
import { skippedBecause, skippedEntries } from './replay-report.js';
import { runOne } from './replay-run.js';
import { targetOf } from './replay-target.js';

interface EditOptions {
  readonly body?: string;
  readonly to?: string;
  readonly ledger?: string;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

/** `dlq edit`: the body of one dead letter mended, and the copy replayed. */
export function dlqEditCommand(deps: CommandDeps): Command {
  return new Command('edit')
    .description(
      "Mend the body of one dead letter in $VISUAL or $EDITOR and replay the edited copy, under a new id and with the original's in x-edited-from.",
    )
    .argument('<queue>', 'dead-letter queue')
    .argument('<id>', 'message id, as dlq show prints it')
    .option('--body <file>', 'take the edited body from a file, or - for stdin, instead of an editor')
    .option('--to <target>', 'queue (default), exchange, or the name of a queue: as replay-dlq')
    .option('--dry-run', 'validate and show what would change, send nothing', false)
    .option('--ledger <file>', LEDGER_OPTION)
    .option('-y, --yes', 'do not ask before it is sent; needed where there is no terminal', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events dlq edit analysis_events_assessments_dlq 3f8a2c1e-analysis.failed-1735689600000
  $ EDITOR='code --wait' atma-events dlq edit assessment_analysis_dlq 9b1deb4d
  $ atma-events dlq edit assessment_analysis_dlq 9b1deb4d --body mended.json --yes

The body is validated against the catalog before anything is sent; a type that the catalog does not have is sent as it
is. JSON is laid out for the editor and sent without the layout; anything else is edited as it is. The original leaves
the queue only after the copy is confirmed, and a crash in between is mended by replay-dlq --resume. Nothing changed in
the editor, or the editor left with an error (:cq): nothing happens. If it cannot be sent, what you typed is kept in a
file that only you can read, for --body.

JSON: {"queue","editedFrom","changed","messageId"?,"replay"?}; "replay" as replay-dlq prints it. With --dry-run "dryRun".
Exit codes: 0 sent or nothing changed, 1 failed or the editor gave up, 2 wrong usage or not valid, 5 broker
unreachable, 130 interrupted.`,
    )
    .action((queue: string, id: string, options: EditOptions, command: Command) =>
      deps.run(command, (session) => runEdit(queue, id, options, session)),
    );
}

async function runEdit(queue: string, id: string, options: EditOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals } = session;
  checkUsage(options, session);
  const opened = await openQueue(queue, session);
  const { system, transport } = opened;
  // Before anything is edited that could not be sent. A dry run makes no ledger.
  const ledger = options.dryRun ? undefined : openReplayLedger(options.ledger, session);
  const refusal =
    ledger === undefined
      ? refuseRunning(queue, transport)
      : refuseUnfinished(queue, transport, ledger, options.ledger, session);
  await untilAborted(refusal, session.signal);
  const original = await find(id, opened, session);
  const place = await placeOf(original, queue, options, system, transport, session);
  const editable = editableBody(original.body);
  const source = { queue, original, editable, catalog: system.catalog };
  const edited =
    options.body === undefined
      ? await fromEditor(source, session)
      : await fromFile(options.body, source, session);
  if (edited === 'gave-up') return EXIT.failed;
  if (edited.body.equals(original.body)) {
    if (globals.json) await terminal.json({ queue, editedFrom: id, changed: false });
    else await terminal.out(forPeople(`${id}: nothing changed, nothing was sent.`));
    return EXIT.done;
  }
  const say = options.yes ? terminal.note : terminal.err;
  for (const line of renderChange(original, edited)) say(line);
  if (ledger === undefined) {
    if (globals.json) await terminal.json({ queue, editedFrom: id, changed: true, dryRun: true });
    else await terminal.out(forPeople(`Dry run: the edited copy would go to ${place}, nothing was sent.`));
    return EXIT.done;
  }
  if (!options.yes) {
    const question = `Send the edited copy to ${place}, and take the original off ${queue}?`;
    if (!(await confirm(terminal, question, true, session.signal))) {
      terminal.note('Nothing was changed.');
      return EXIT.interrupted;
    }
  }
  return sendOrKeep({ queue, id, original, edited, options, transport, ledger }, session);
}

/** What was typed is not lost with what it was typed for. */
async function sendOrKeep(sending: Sending, session: Session): Promise<ExitCode> {
  const { queue, id, options } = sending;
  const { file } = sending.edited;
  let exitCode: ExitCode | undefined;
  file?.keep();
  try {
    exitCode = await send(sending, session);
    return exitCode;
  } finally {
    if (exitCode === EXIT.done) file?.remove();
    else if (file !== undefined) {
      const to = options.to === undefined ? '' : ` --to ${shellWord(options.to)}`;
      session.terminal.err(
        forPeople(
          `What you typed is kept in ${file.path} (only you can read it). To send it later:\n` +
            `  atma-events dlq edit ${shellWord(queue)} ${shellWord(id)} --body ${file.path}${to}${whereOptions(session, options.ledger)}`,
        ),
      );
    }
  }
}

interface Sending {
  readonly queue: string;
  readonly id: string;
  readonly original: ReceivedMessage;
  readonly edited: Edited;
  readonly options: EditOptions;
  readonly transport: Transport;
  readonly ledger: Ledger;
}

/** As a replay of that one message: claimed in the ledger, confirmed, acked. */
async function send(
  { queue, id, original, edited, options, transport, ledger }: Sending,
  session: Session,
): Promise<ExitCode> {
  const { terminal, globals } = session;
  const settings = await session.settings();
  const messageId = randomUUID();
  const criteria: Criteria = {
    edit: {
      original: messageHash(original),
      messageId,
      body: edited.body.toString('base64'),
    },
  };
  const run = await runOne(
    { queue, criteria, fresh: true },
    options,
    { settings, ledger },
    session,
    (common) =>
      startReplay(
        transport,
        ledger,
        { ...common, queue, target: targetOf(options.to), criteria: JSON.stringify(criteria), limit: 1 },
        { now: session.now },
      ),
  );
  const { report, document } = run;
  if (globals.json) {
    await terminal.json({ queue, editedFrom: id, changed: true, messageId, replay: document });
  } else if (report.replayed > 0) {
    await terminal.out(forPeople(`The edited copy has the id ${messageId}, and ${id} in x-edited-from.`));
  }
  if (report.replayed > 0 || run.exitCode !== EXIT.done) return run.exitCode;
  terminal.err(forPeople(`error: ${id} is no longer in ${queue}: somebody else took it, nothing was sent`));
  return EXIT.failed;
}

/** The first dead letter with this id. Throws `usage` when there is none. */
async function find(id: string, opened: OpenQueue, session: Session): Promise<ReceivedMessage> {
  const { queue } = opened;
  for await (const message of readQueue(opened, { isBeforeTaking: true }, session)) {
    if (idOf(message) !== id) continue;
    warnOfHandingBack(opened, session);
    return message;
  }
  throw new EventsError('usage', `There is no dead letter "${id}" in ${queue}`, {
    hint: `dlq show ${queue} lists them with their ids.`,
  });
}

/** Where the copy would go; found out first, for nobody wants to edit in vain. Throws what would keep it from going. */
async function placeOf(
  original: ReceivedMessage,
  queue: string,
  { to }: EditOptions,
  { catalog, topology }: System,
  transport: Transport,
  { terminal }: Session,
): Promise<string> {
  const preview = await previewReplay(transport, only(original), {
    ...{ queue, target: targetOf(to), catalog, topology },
  });
  const [row] = preview.rows;
  if (row === undefined) {
    const [reason = 'no-target'] = skippedEntries(preview.skipped)[0] ?? [];
    throw new EventsError('unroutable', `It cannot be replayed: ${skippedBecause(reason)}`, {
      hint: 'Name the queue that should get it with --to NAME.',
    });
  }
  for (const line of renderRoutes(preview)) terminal.note(line);
  return nameOf(row.address);
}

async function* only(message: ReceivedMessage): AsyncGenerator<ReceivedMessage> {
  yield message;
}

/** The changed lines, marked; addresses are hidden, so that two lines may look the same. */
function renderChange(original: ReceivedMessage, edited: Edited): string[] {
  const before = editableBody(original.body);
  const after = editableBody(edited.body);
  if (before === undefined || after === undefined) {
    return [`the body: ${original.body.length} bytes before, ${edited.body.length} now`];
  }
  const same = before.form === after.form;
  const lines = lineDiff(
    same ? before.text : original.body.toString('utf8'),
    same ? after.text : edited.body.toString('utf8'),
  );
  return lines.map(({ mark, text }) => forPeople(`${mark} ${text}`));
}

function checkUsage(options: EditOptions, { terminal }: Session): void {
  if (terminal.interactive) return;
  if (options.body === undefined) {
    throw new EventsError('usage', 'There is no terminal to edit on', {
      hint: 'Give the edited body with --body FILE, or - for stdin; dlq show --json prints the body as it is.',
    });
  }
  if (!options.yes && !options.dryRun) {
    throw new EventsError('usage', 'The edited copy is sent: without a terminal to ask on it needs --yes', {
      hint: 'See first what would change: --dry-run.',
    });
  }
}
