import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { KeyState } from '../core/consuming/idempotency.js';
import { resolveUnknown } from '../core/consuming/resolve-unknown.js';
import { EventsError } from '../core/errors.js';
import { openIdempotencyStore } from '../storage/idempotency-store.js';
import { age } from '../terminal/age.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { confirm } from '../terminal/prompt.js';
import { forPeople, lineForPeople } from '../terminal/safe-text.js';
import type { CommandDeps, Session } from './deps.js';

interface SettleOptions {
  readonly store: string;
  readonly happened: boolean;
  readonly didNotHappen: boolean;
  readonly yes: boolean;
}

/** `dlq settle`: what a person found out about an effect that nobody could tell about (`effect-unknown`). */
export function dlqSettleCommand(deps: CommandDeps): Command {
  return new Command('settle')
    .description(
      'Note whether an effect happened whose consumer died in the middle of it (reason effect-unknown). Without an answer: show what is known.',
    )
    .argument('<key>', 'key of the effect, as dlq show tells it')
    .requiredOption(
      '--store <file>',
      'the idempotency store of the service, as it is given to openIdempotencyStore',
    )
    .option(
      '--happened',
      'it did: it is remembered as done for 7 days, and a replay does not do it again',
      false,
    )
    .option('--did-not-happen', 'it did not: the key is free, and a replay does it', false)
    .option('-y, --yes', 'do not ask; needed where there is no terminal', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events dlq settle refund:3f8a2c1e --store /var/lib/assessment/once.db
  $ atma-events dlq settle refund:3f8a2c1e --store /var/lib/assessment/once.db --did-not-happen
  $ atma-events replay-dlq analysis_events_assessments_dlq --ids MESSAGE-ID

Only the place where the effect shows (the account, the mailbox) can tell whether it happened: look there first. The store
is a file of the machine that the service runs on. Its services may go on meanwhile.

JSON: {"key","state","since"?,"until"?,"at"?,"note"?}, and with an answer "settled". "state" is free, claimed, unknown or
done; times are ISO 8601.
Exit codes: 0 shown or settled, 1 a living process works on it or it is noted as done, 2 wrong usage or nothing to settle,
130 interrupted.`,
    )
    .action((key: string, options: SettleOptions, command: Command) =>
      deps.run(command, (session) => runSettle(key, options, session)),
    );
}

type Answer = 'happened' | 'did-not-happen';

async function runSettle(key: string, options: SettleOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals, now } = session;
  const answer = answerOf(options, session);
  if (answer !== undefined && key.startsWith(DECISION)) throw notAnEffect(key);
  const path = resolve(terminal.streams.directory, options.store);
  // Opening would create it, and a key that nobody has would then seem to be free.
  if (!existsSync(path)) {
    throw new EventsError('usage', `There is no idempotency store ${path}`, {
      hint: 'It is the file that the service gives to openIdempotencyStore, on the machine where it runs.',
    });
  }
  const store = openIdempotencyStore(path, { now });
  session.defer(() => store.close());
  const found = await store.find(key);
  if (answer === undefined) {
    if (globals.json) await terminal.json({ key, ...stateDocument(found) });
    else await terminal.out(forPeople(renderState(key, found, now())));
    if (found.state === 'unknown') terminal.note(NEXT);
    return EXIT.done;
  }
  refuse(key, found, answer);
  if (found.state === 'unknown') {
    terminal.note(forPeople(renderState(key, found, now())));
    if (!options.yes && !(await confirm(terminal, QUESTION[answer], false, session.signal))) {
      terminal.note('Nothing was changed.');
      return EXIT.interrupted;
    }
  }
  const who = terminal.streams.environment.USER ?? terminal.streams.environment.USERNAME ?? '';
  const settled = await resolveUnknown(store, key, answer, { note: `dlq settle ${who}`.trim() });
  // Another may have settled it, or taken it up, since it was looked at.
  if (settled.state !== (answer === 'happened' ? 'done' : 'free')) refuse(key, settled, answer);
  if (globals.json) await terminal.json({ key, ...stateDocument(settled), settled: true });
  else await terminal.out(forPeople(`${lineForPeople(key)}: ${SETTLED[answer]}`));
  return EXIT.done;
}

/** Throws what keeps the key from being settled so. */
function refuse(key: string, found: KeyState, answer: Answer): void {
  if (found.state === 'unknown' || (found.state === 'done' && answer === 'happened')) return;
  if (found.state === 'free') {
    throw new EventsError('usage', `Nothing is known of the key "${key}": there is nothing to settle`, {
      hint: 'Check the key (dlq show tells it) and the store. A free key is no obstacle: the effect happens at the next replay.',
    });
  }
  if (found.state === 'claimed') {
    throw new EventsError('busy', `A process works on "${key}"${noteText(found.note)}, and lives`, {
      hint: `If it dies, the key is unknown from ${new Date(found.until).toISOString()} on: look again then.`,
    });
  }
  throw new EventsError(
    'effect-unknown',
    `"${key}" is noted as done since ${new Date(found.at).toISOString()}`,
    {
      hint: 'It is not unknown: nothing was changed. What did happen can be undone where it shows only.',
    },
  );
}

/** Records of consumers' decisions are in the same file, and are unknown by nature: settled by hand, a message is lost. */
const DECISION = 'settle:';

function notAnEffect(key: string): EventsError {
  return new EventsError('usage', `"${key}" is a consumer's own record, not the key of an effect`, {
    hint: 'Consumers settle those by themselves when the message comes again.',
  });
}

/** The answer, if there is one. Throws `usage` on two, and where nobody can be asked. */
function answerOf({ happened, didNotHappen, yes }: SettleOptions, { terminal }: Session): Answer | undefined {
  if (happened && didNotHappen) throw new EventsError('usage', 'Give either --happened or --did-not-happen');
  if (!happened && !didNotHappen) return undefined;
  if (!yes && !terminal.interactive) {
    throw new EventsError('usage', 'Without a terminal to ask on, settling needs --yes', {
      hint: 'Without --happened and --did-not-happen the command only shows what is known.',
    });
  }
  return happened ? 'happened' : 'did-not-happen';
}

const QUESTION: { readonly [answer in Answer]: string } = {
  happened: 'You have seen that it happened: note it as done, so that a replay does not do it again?',
  'did-not-happen': 'You have seen that it did not happen: free the key, so that a replay does it?',
};

const SETTLED: { readonly [answer in Answer]: string } = {
  happened: 'noted as done. Replay the event now: the effect does not happen again.',
  'did-not-happen': 'free. Replay the event now: the effect happens then.',
};

const NEXT =
  'Look where the effect shows whether it happened; then run this again with --happened or --did-not-happen, and replay the event.';

/** What is known of the key, for people; pure. */
export function renderState(key: string, found: KeyState, now: number): string {
  const name = lineForPeople(key);
  const when = (time: number) => `${new Date(time).toISOString()}, ${age(now - time)} ago`;
  switch (found.state) {
    case 'free':
      return `${name}: free. Nobody has claimed it, or it was done longer ago than is remembered.`;
    case 'claimed':
      return `${name}: claimed since ${when(found.since)}${noteText(found.note)}: a living process works on it.`;
    case 'unknown':
      return `${name}: unknown. Begun ${when(found.since)}${noteText(found.note)}; whoever began it died before its end was noted.`;
    case 'done':
      return `${name}: done ${when(found.at)}${noteText(found.note)}.`;
  }
}

const LONGEST_NOTE = 200;

function noteText(note: string): string {
  const text = lineForPeople(note);
  if (text === '') return '';
  return ` (${text.length > LONGEST_NOTE ? `${text.slice(0, LONGEST_NOTE - 1)}…` : text})`;
}

/** The JSON of a state. The field names are a public contract. */
function stateDocument(found: KeyState): object {
  const time = (ms: number) => new Date(ms).toISOString();
  switch (found.state) {
    case 'free':
      return { state: 'free' };
    case 'claimed':
      return { state: 'claimed', since: time(found.since), until: time(found.until), note: found.note };
    case 'unknown':
      return { state: 'unknown', since: time(found.since), note: found.note };
    case 'done':
      return { state: 'done', at: time(found.at), note: found.note };
  }
}
