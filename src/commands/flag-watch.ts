import { Command } from 'commander';
import { countingTimer } from '../core/consuming/timer.js';
import { type FlagState, NO_FLAG } from '../migration/flag-state.js';
import { type FlagTrouble, watchFlag } from '../migration/flag-watch.js';
import { positionText } from '../migration/position-text.js';
import { parseDuration } from '../project/duration.js';
import type { ExitCode } from '../terminal/exit-codes.js';
import { argument } from '../terminal/options.js';
import { lineForPeople } from '../terminal/safe-text.js';
import type { CommandDeps, Session } from './deps.js';
import { FLAG_FILE_OPTION, flagFileOf } from './flag-file-option.js';
import { stateDocument, variableText } from './flag-text.js';
import { untilOver } from './until-over.js';

interface WatchOptions {
  readonly file?: string;
  readonly for?: number;
}

/** `flag watch`: the flag as a service sees it. */
export function flagWatchCommand(deps: CommandDeps): Command {
  return new Command('watch')
    .description('Show each change of the flag as services see it, with what they read it with.')
    .option(...FLAG_FILE_OPTION)
    .option('--for <duration>', 'end after this long, such as 30s or 5m', argument(parseDuration))
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events flag watch
  $ atma-events flag watch --for 10m --json

Run it on the host of a service, on the file that the service reads: then it shows what that service knows. A file that
is broken or gone keeps the last good value, here as there, and is told once.

JSON, a line per change or trouble: {"at","stage","percent","useEventDriven","epoch","changedAt","changedBy","reason",
"trouble":{"kind","text"}|null}; kind: missing, unreadable, invalid, or over.
Exit codes: 0 ended by --for, 2 the file cannot be used at the start, 130 ended by Ctrl-C.`,
    )
    .action((options: WatchOptions, command: Command) =>
      deps.run(command, (session) => runWatch(options, session), { streaming: true }),
    );
}

async function runWatch(options: WatchOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals, signal, now } = session;
  const path = flagFileOf(options, await session.settings(), terminal);
  let state = NO_FLAG;
  const tell = (trouble: FlagTrouble | undefined) => {
    const at = new Date(trouble?.at ?? now()).toISOString();
    const line = trouble?.text ?? changeText(state);
    // A stream that is full holds nothing back here: a change is rare, and must not be late for the next one.
    void (globals.json ? terminal.json(documentOf(state, at, trouble)) : terminal.out(`${at}  ${line}`));
  };
  const watch = await watchFlag({
    path,
    now,
    setTimer: countingTimer,
    onChange(changed) {
      state = changed;
      tell(undefined);
    },
    onTrouble: tell,
  });
  session.defer(() => watch.close());
  state = watch.state;
  terminal.err(lineForPeople(`watching ${path}: ${changeText(state)}`));
  return untilOver(options.for, signal);
}

/** One line: where it stands, and who put it there and why. */
function changeText(state: FlagState): string {
  const { epoch, changedBy, reason } = state;
  const who = changedBy === null ? '' : `, by ${changedBy}`;
  const why = reason === null || reason === '' ? '' : `: ${reason}`;
  return lineForPeople(`${positionText(state)} (epoch ${epoch}, ${variableText(state)}${who})${why}`);
}

function documentOf(state: FlagState, at: string, trouble: FlagTrouble | undefined): object {
  const { stage, percent, epoch, useEventDriven, changedAt, changedBy, reason } = stateDocument(state);
  return {
    ...{ at, stage, percent, useEventDriven, epoch, changedAt, changedBy, reason },
    trouble: trouble === undefined ? null : { kind: trouble.kind, text: trouble.text },
  };
}
