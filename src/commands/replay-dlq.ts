import { Command } from 'commander';
import { queueMissing } from '../core/errors.js';
import type { Transport } from '../core/transport.js';
import { requireQueue } from '../dead-letters/find.js';
import type { ReplayTarget } from '../dead-letters/replay-types.js';
import { parseDuration } from '../project/duration.js';
import type { Settings } from '../project/settings.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { compileDeadLetterFilter, DEAD_LETTER_FILTER_NAMES } from '../terminal/filter.js';
import { argument, positiveNumber, wholeNumber } from '../terminal/options.js';
import { type Criteria, groupName, idList } from './dead-letter-selection.js';
import { type CommandDeps, type Session, untilAborted } from './deps.js';
import { LEDGER_OPTION, openReplayLedger, refuseUnfinished } from './replay-ledger.js';
import { agreedOn, dryRun, type Job } from './replay-looking.js';
import { pickGroups, pickQueues, pickTarget, type Wanted } from './replay-picking.js';
import { abandonReplay, resumeOne } from './replay-resume.js';
import { runReplays } from './replay-run.js';
import { targetOf } from './replay-target.js';
import { checkReplayUsage, percentage, type ReplayDlqOptions } from './replay-usage.js';

/** `replay-dlq`: dead letters brought back, each exactly once as far as anyone can tell. */
export function replayDlqCommand(deps: CommandDeps): Command {
  return new Command('replay-dlq')
    .description(
      'Bring dead letters back: to the queue that gave them up, confirmed by the broker before they leave the dead-letter queue.',
    )
    .argument('[queue...]', 'dead-letter queues, one after another (none, on a terminal: pick them)')
    .option(
      '--group <id>',
      'only this group of dlq groups (repeatable)',
      (value: string, all: string[]) => [...all, argument(groupName)(value)],
      [],
    )
    .option(
      '--filter <expression>',
      `only those for which this CEL expression is true; names: ${DEAD_LETTER_FILTER_NAMES}`,
    )
    .option('--ids <ids>', 'only these, by message id: a,b', argument(idList))
    .option('--limit <n>', 'at most n of each queue, from its head', wholeNumber(1))
    .option(
      '--to <target>',
      'queue (default): the one that gave each up; exchange: where each was first published; or the name of a queue',
    )
    .option('--rate <n>', 'messages per second at most', positiveNumber)
    .option('--canary <n>', 'replay n first and watch them, then twice as many, and so on', wholeNumber(1))
    .option(
      '--canary-wait <duration>',
      'how long deaths are waited for after each batch, such as 30s (default 10s)',
      argument(parseDuration),
    )
    .option('--max-deaths <percent>', 'the canary stops above this share of deaths (default 10)', percentage)
    .option('--dry-run', 'show what would go where, move nothing', false)
    .option('--resume <id>', 'bring an interrupted replay to its end')
    .option('--abandon <id>', 'give an interrupted replay up')
    .option('--ledger <file>', LEDGER_OPTION)
    .option('-y, --yes', 'do not ask; needed where there is no terminal', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events replay-dlq                                            pick queues, groups and target
  $ atma-events replay-dlq assessment_analysis_dlq --dry-run
  $ atma-events replay-dlq assessment_analysis_dlq --canary 5 --canary-wait 30s
  $ atma-events replay-dlq analysis_events_notifications_dlq --group 3f8a2c1e --rate 50 --yes
  $ atma-events replay-dlq assessment_analysis_dlq --filter 'failure.exception == "TimeoutError"'
  $ atma-events replay-dlq --resume rp0qkpjd

What is guaranteed: a dead letter leaves its queue only after the broker has confirmed its copy. Body and properties
stay as they are; failure headers move to x-replay. Ctrl-C finishes what is in hand, then every message is either in
the dead-letter queue or delivered. After a crash --resume goes on: what was confirmed is not sent again; what nobody
knows about is sent again under its own id and counted as a possible duplicate. One replay per queue at a time. What
dies again meanwhile stays for the next replay.

JSON: {"id","queue","replayed","skipped","boomeranged","possibleDuplicates","left","stopped"?,"waiting"?,"untaken"?,
"unknownIds"?}, for several queues an array of these. "skipped" counts by reason; "stopped" is interrupted, canary,
errors or broker; with a canary, "waiting" failed again and is in delay queues, "untaken" no consumer has taken; in
place of a queue that could not begin: {"queue","error":{"code","message","hint"?}}.
With --dry-run: {"queue","dryRun":true,"would":[{"target","type","count","invalid","unknown"?,"queues"?}],"skipped"}.
With --abandon: {"id","queue","abandoned":true}.
Exit codes: 0 all, 3 some (skipped, not found, or stopped by the canary), 1 none could, 2 wrong usage or an unfinished
replay, 5 broker unreachable, 130 interrupted.`,
    )
    .action((queues: string[], options: ReplayDlqOptions, command: Command) =>
      deps.run(command, (session) => runReplayDlq([...new Set(queues)], options, session)),
    );
}

async function runReplayDlq(
  queues: readonly string[],
  options: ReplayDlqOptions,
  session: Session,
): Promise<ExitCode> {
  checkReplayUsage(queues, options, session);
  if (options.filter !== undefined) await compileDeadLetterFilter(options.filter); // wrong ones before a broker is asked
  const settings = await session.settings();
  if (options.abandon !== undefined) return abandonReplay(options.abandon, options, settings, session);
  if (options.resume !== undefined) return resumeOne(options.resume, options, settings, session);

  const transport = await session.openLazily(settings);
  const criteria: Criteria = {
    ...(options.group.length > 0 && { groups: [...options.group] }),
    ...(options.filter !== undefined && { filter: options.filter }),
    ...(options.ids !== undefined && { ids: [...options.ids] }),
  };
  const picked = queues.length > 0 ? undefined : await pick(transport, options, criteria, settings, session);
  if (picked?.wanted.length === 0) {
    session.terminal.note('There are no dead letters.');
    return EXIT.done;
  }
  const wanted = picked?.wanted ?? queues.map((queue) => ({ queue, criteria }));
  const target = picked?.target ?? targetOf(options.to);
  for (const { queue } of wanted) {
    await untilAborted(requireQueue(transport, settings.system, queue), session.signal);
  }
  if (target.kind === 'name') {
    const counts = await untilAborted(transport.counts(target.queue), session.signal);
    if (counts === undefined) throw queueMissing(target.queue);
  }
  const job: Job = { wanted, target, options, transport, settings };
  return options.dryRun ? dryRun(job, session) : replay(job, session);
}

/** What the person chose; `--to` and the selecting options are not asked for again. */
async function pick(
  transport: Transport,
  options: ReplayDlqOptions,
  criteria: Criteria,
  settings: Settings,
  session: Session,
): Promise<{ readonly wanted: readonly Wanted[]; readonly target: ReplayTarget }> {
  const queues = await pickQueues(transport, settings, session);
  const said = Object.keys(criteria).length > 0;
  const wanted: readonly Wanted[] = said
    ? queues.map(({ queue }) => ({ queue, criteria }))
    : await pickGroups(queues, settings, session);
  const ask = options.to === undefined && wanted.length > 0;
  const target = ask ? await pickTarget(session) : targetOf(options.to);
  if (target.kind !== 'name') return { wanted, target };
  const to = [target.queue];
  return {
    wanted: wanted.map((each) => (each.picked ? { ...each, picked: { ...each.picked, to } } : each)),
    target,
  };
}

async function replay(job: Job, session: Session): Promise<ExitCode> {
  const { wanted, options, transport } = job;
  const ledger = openReplayLedger(options.ledger, session);
  for (const { queue } of wanted) await refuseUnfinished(queue, transport, ledger, options.ledger, session);
  const agreed = await agreedOn(job, session);
  if (agreed.length === 0) return EXIT.interrupted;
  return runReplays(agreed, job.target, options, { ...job, ledger }, session);
}
