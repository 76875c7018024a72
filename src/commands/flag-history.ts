import { Command } from 'commander';
import { z } from 'zod';
import {
  type AuditFindings,
  type FoundEdited,
  foundEdited,
  readAudit,
  type ToldEntry,
  verifyAudit,
} from '../migration/audit.js';
import { positionText } from '../migration/position-text.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import type { Terminal } from '../terminal/io.js';
import { wholeNumber } from '../terminal/options.js';
import { lineForPeople } from '../terminal/safe-text.js';
import type { CommandDeps, Session } from './deps.js';
import { FLAG_FILE_OPTION, flagFileOf } from './flag-file-option.js';

interface HistoryOptions {
  readonly file?: string;
  readonly limit: number;
  readonly verify: boolean;
}

/** `flag history`: who moved the flag, when, from where to where, why, and on what evidence. */
export function flagHistoryCommand(deps: CommandDeps): Command {
  return new Command('history')
    .description(
      'Show who moved the flag, when, why and on what evidence, the latest first; verify that nobody altered that.',
    )
    .option(...FLAG_FILE_OPTION)
    .option('--limit <n>', 'entries at most', wholeNumber(1), 20)
    .option('--verify', 'see whether the trail and the flag file hold together: exit 4 if not', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events flag history
  $ atma-events flag history --limit 1 --json
  $ atma-events flag history --verify

A move is done, or abandoned: cut off before the flag file changed. A proposal is the first of two people. The trail keeps
a move as two rows, its beginning and its end, and it is shown with the number of the first: 1, 3, 5.
What --verify finds, and what nobody can find without a copy elsewhere: docs/migration.md.

JSON: {"entries":[{"seq","at","by","action","from","to","sample","epoch","reason","forced","rollout","evidence","settled",
"fileBefore","fileAfter","hash"}],"verified":{"entries","rows","problems","notes"}|null}.
Exit codes: 0, 1 the trail cannot be read, 4 --verify finds something wrong.`,
    )
    .action((options: HistoryOptions, command: Command) =>
      deps.run(command, (session) => runHistory(options, session)),
    );
}

async function runHistory(options: HistoryOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals } = session;
  const file = flagFileOf(options, await session.settings(), terminal);
  const all = readAudit(file);
  const entries = all.toReversed().slice(0, options.limit);
  const verified = options.verify ? verifyAudit(file) : null;
  if (globals.json) {
    await terminal.json({
      entries: entries.map(entryDocument),
      verified: verified && findingsDocument(verified),
    });
  } else {
    const edited = foundEdited(all);
    const lines = entries.map((entry) =>
      entryText(
        entry,
        terminal,
        edited.find(({ move }) => move.seq === entry.seq),
      ),
    );
    await terminal.out(lines.length === 0 ? 'Nobody has moved the flag yet.' : lines.join('\n'));
    if (all.length > entries.length)
      terminal.note(`${all.length - entries.length} earlier entries: --limit ${all.length}`);
    if (verified !== null) await terminal.out(findingsText(verified, terminal));
  }
  return (verified?.problems.length ?? 0) > 0 ? EXIT.difference : EXIT.done;
}

/** A line for what happened, and one for each thing to know about it. `edited`: where it found the file otherwise. */
export function entryText(
  entry: ToldEntry,
  { style }: Pick<Terminal, 'style'>,
  edited?: FoundEdited,
): string {
  const { seq, at, by, action, from, to, sample, epoch, reason, forced, rollout, evidence, settled } = entry;
  const paint = { done: style.green, abandoned: style.yellow, proposal: style.cyan, move: style.dim }[action];
  const [was, is] = [positionText(from), positionText(to)];
  const move = was !== is ? `${was} → ${is}` : sample === undefined ? `${is}, written anew` : is;
  const more = [
    ...(reason === '' ? [] : [`why: ${reason}`]),
    ...(edited === undefined ? [] : [editedText(edited)]),
    ...(sample === undefined ? [] : [`sample of rampdown: ${sample.from} % → ${sample.to} %`]),
    ...(rollout === null ? [] : [`rollout: ${rollout}`]),
    ...(forced ? ['forced'] : []),
    ...evidenceLines(evidence),
    ...(settled ? [] : ['cut off, or being made right now: the next move records its end']),
  ];
  return [
    `${seq}  ${at}  ${paint(action)}  ${lineForPeople(`${move}  (epoch ${epoch})  by ${by}`)}`,
    ...more.map((line) => lineForPeople(`   ${line}`)),
  ].join('\n');
}

/** The position that it came from is what the file said; the trail knows what was there before somebody changed that. */
function editedText({ move, before }: FoundEdited): string {
  if (before === undefined) return 'the flag file had been written by hand before it';
  const found =
    move.fileBefore === null ? 'the flag file was gone' : 'the flag file had been changed by hand';
  return `${found} before it: the move before had put it to ${positionText(before.to)}`;
}

/** What the gate kept, or a rollout that went back. Anything else is shown as it is: the file is an old one, or was altered. */
const Evidence = z.looseObject({
  verdict: z
    .looseObject({
      verdict: z.string(),
      legs: z.number(),
      bad: z.number(),
      savedAt: z.string(),
      source: z.string(),
    })
    .nullish(),
  deadLetters: z.array(z.looseObject({ queue: z.string(), messages: z.number() })).nullish(),
  deadLettersExplained: z.string().nullish(),
  failed: z.array(z.looseObject({ check: z.string(), text: z.string() })).nullish(),
});

function evidenceLines(evidence: object | null): string[] {
  if (evidence === null || 'because' in evidence) return [];
  const parsed = Evidence.safeParse(evidence);
  if (!parsed.success) return [`evidence: ${JSON.stringify(evidence)}`];
  const { verdict, deadLetters, deadLettersExplained, failed } = parsed.data;
  const letters = (deadLetters ?? []).filter(({ messages }) => messages > 0);
  return [
    ...(verdict
      ? [
          `verdict: ${verdict.verdict}, ${verdict.legs} legs, ${verdict.bad} bad, saved ${verdict.savedAt}, in ${verdict.source}`,
        ]
      : []),
    ...(letters.length > 0
      ? [`dead letters: ${letters.map(({ queue, messages }) => `${messages} in ${queue}`).join(', ')}`]
      : []),
    ...(deadLettersExplained ? [`explained: ${deadLettersExplained}`] : []),
    ...(failed ?? []).map(({ check, text }) => `not in order: ${check}: ${text}`),
  ];
}

function findingsText(
  { entries, rows, problems, notes }: AuditFindings,
  { style }: Pick<Terminal, 'style'>,
): string {
  const lines = [...problems, ...notes].map((line) => lineForPeople(`  ${line}`));
  const head =
    problems.length === 0
      ? style.green(
          `Verified: ${counted(entries, 'entry', 'entries')} in ${counted(rows, 'row', 'rows')} of the trail hold together, and the flag file fits.`,
        )
      : style.red('NOT in order:');
  return ['', head, ...lines].join('\n');
}

const counted = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`;

/** Field names are a public contract. */
function entryDocument(entry: ToldEntry): object {
  const { seq, at, by, action, from, to, epoch, reason, forced, rollout, evidence, settled } = entry;
  const { sample = null, fileBefore, fileAfter, hash } = entry;
  return cleaned({
    ...{ seq, at, by, action, from, to, sample, epoch, reason, forced, rollout, evidence, settled },
    ...{ fileBefore, fileAfter, hash },
  });
}

function findingsDocument({ entries, rows, problems, notes }: AuditFindings): object {
  return cleaned({ entries, rows, problems, notes });
}

/** Texts in it may come from a file that somebody else has written. */
function cleaned(document: object): object {
  const text = JSON.stringify(document, (_, value: unknown) =>
    typeof value === 'string' ? lineForPeople(value) : value,
  );
  const clean: object = JSON.parse(text);
  return clean;
}
