import { Command } from 'commander';
import { EventsError } from '../core/errors.js';
import type { Mapping } from '../shadow/mapping.js';
import type { Suggester, Suggestion } from '../shadow/suggest.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { startProgress } from '../terminal/progress.js';
import type { CommandDeps, Session } from './deps.js';
import { type Recording, recordingOf, requireOneStdin } from './shadow-input.js';
import { requireMapping } from './shadow-output.js';
import { type Reading, reasonOf, renderSuggestions } from './shadow-suggest-text.js';

interface SuggestOptions {
  readonly callbacks: readonly string[];
  readonly events: readonly string[];
}

/** `shadow suggest`: what the mapping might ignore. */
export function shadowSuggestCommand(deps: CommandDeps): Command {
  const collect = (value: string, all: readonly string[]) => [...all, value];
  return new Command('suggest')
    .description(
      'Propose what the mapping might ignore, from each path compared with itself. Changes nothing.',
    )
    .option(
      '--callbacks <file>',
      'recording of callbacks, JSON lines or a HAR; repeatable; - is stdin',
      collect,
      [],
    )
    .option('--events <file>', 'recording of events (tail --save); repeatable; - is stdin', collect, [])
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events shadow suggest --callbacks callbacks.jsonl --events events.jsonl
  $ atma-events shadow suggest --callbacks monday.jsonl --callbacks the-same-jobs-again.jsonl
  $ atma-events shadow suggest --events events.jsonl --json | jq .shadow

Where one fact is told twice on the same path (a callback tried again, an event published again, the same jobs in two
recordings), nothing is wrong, and what differs all the same is noise: a time, a request id. Such fields are proposed to be
ignored; fields that the mapping does not know are listed, and compared ones that differ by themselves.
It only proposes. Read each line before you take it over: a field that is ignored is not compared.

JSON: {"callbacks":{"bodies","repeated","skipped"},"events":{…},"suggestions":[{"kind","eventType","consumer","side","path",
"seen","repeated","differs","reason"}],"shadow"}; kind: ignore, decide or tolerate; shadow: the mapping with the proposed
ignores, for the config.`,
    )
    .action((options: SuggestOptions, command: Command) =>
      deps.run(command, (session) => runSuggest(options, session)),
    );
}

async function runSuggest(options: SuggestOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals } = session;
  requireOneStdin([...options.callbacks, ...options.events]);
  if (options.callbacks.length + options.events.length === 0) {
    throw new EventsError('usage', 'There is nothing to read', {
      hint: 'Give --callbacks FILE, --events FILE, or both; each may be repeated.',
    });
  }
  const callbacks = options.callbacks.map((name) => recordingOf(name, session));
  const events = options.events.map((name) => recordingOf(name, session));
  const settings = await session.settings();
  const shadow = requireMapping(settings);
  const { compileMapping } = await import('../shadow/mapping.js');
  const { createSuggester, withIgnores } = await import('../shadow/suggest.js');
  const mapping = compileMapping(shadow, settings.system.topology);
  const suggester = createSuggester(mapping);
  await readAll({ callbacks, events }, mapping, suggester, session);

  const suggestions = suggester.suggestions();
  const reading: Reading = { callbacks: suggester.side('callback'), events: suggester.side('event') };
  const proposed = withIgnores(shadow, suggestions);
  if (globals.json) {
    await terminal.json({ ...reading, suggestions: suggestions.map(withReason), shadow: proposed });
  } else await terminal.out(renderSuggestions(reading, suggestions, proposed));
  return EXIT.done;
}

const withReason = (suggestion: Suggestion) => ({
  kind: suggestion.kind,
  eventType: suggestion.eventType,
  consumer: suggestion.consumer,
  side: suggestion.side,
  path: suggestion.path,
  seen: suggestion.seen,
  repeated: suggestion.repeated,
  differs: suggestion.differs,
  reason: reasonOf(suggestion),
});

async function readAll(
  recordings: { readonly callbacks: readonly Recording[]; readonly events: readonly Recording[] },
  mapping: Mapping,
  suggester: Suggester,
  session: Session,
): Promise<void> {
  const { readBodies } = await import('../shadow/bodies.js');
  const { terminal, globals, signal } = session;
  const progress = startProgress(terminal, 'reading', globals.quiet, undefined, {
    done: 'bodies',
    failed: 'unreadable',
  });
  let bodies = 0;
  try {
    for (const side of ['callbacks', 'events'] as const) {
      for (const { name, read } of recordings[side]) {
        const told = await readBodies(mapping, side === 'callbacks' ? 'callback' : 'event', read(), {
          signal,
          onBody(observation, body) {
            suggester.take(side === 'callbacks' ? 'callback' : 'event', observation, body);
            progress.update(++bodies, 0);
          },
        });
        if (told.lines === 0 && told.first !== undefined) {
          const { line, problem } = told.first;
          throw new EventsError(
            'input-invalid',
            `${name} holds no recorded ${side.slice(0, -1)}; line ${line}: ${problem}`,
            {
              hint: `Give ${side === 'callbacks' ? 'callbacks with --callbacks: lines as shadow run records them, or a HAR' : 'events with --events: the lines of tail --save or tail --json'}.`,
            },
          );
        }
        if (told.first !== undefined) {
          terminal.warn(
            `${name}: ${told.unreadable} line${told.unreadable === 1 ? '' : 's'} could not be read and ${told.unreadable === 1 ? 'was' : 'were'} left out, the first is line ${told.first.line}: ${told.first.problem}`,
          );
        }
      }
    }
  } finally {
    progress.stop();
  }
}
