/** What `shadow suggest` says to people. */
import type { ParsedShadowMapping } from '../core/shadow-mapping.js';
import { plural, thousands } from '../shadow/quantities.js';
import type { SuggestedSide, Suggestion } from '../shadow/suggest.js';
import { safeLine } from '../terminal/safe-text.js';
import { renderTable } from '../terminal/table.js';

export interface Reading {
  readonly callbacks: SuggestedSide;
  readonly events: SuggestedSide;
}

const SECTIONS = [
  ['ignore', 'Not mapped, and differing though nothing is wrong. Proposed to be ignored:'],
  [
    'tolerate',
    'Compared, and differing though nothing is wrong. These will be mismatches that mean nothing:',
  ],
  ['decide', 'Neither compared nor ignored. Compare what the other path has too, and ignore the rest:'],
] as const;

export function renderSuggestions(
  reading: Reading,
  suggestions: readonly Suggestion[],
  proposed: ParsedShadowMapping,
): string {
  const sections = SECTIONS.flatMap(([kind, title]) => {
    const own = suggestions.filter((each) => each.kind === kind);
    return own.length === 0 ? [] : [`${title}\n${tableOf(own)}`];
  });
  return [
    readingText(reading),
    ...(sections.length === 0 ? [nothingText(reading)] : sections),
    ...snippetOf(suggestions, proposed),
  ].join('\n\n');
}

/** Why it is proposed, in one sentence. */
export function reasonOf({ kind, seen, repeated, differs, apart, isTime, lines }: Suggestion): string {
  if (kind === 'decide') {
    return repeated === 0
      ? `in ${thousands(seen)} ${seen === 1 ? 'body' : 'bodies'}; no fact with it was told twice`
      : `the same in all of ${plural(repeated, 'repetition')}`;
  }
  const where = lines[0] > 0 ? `, first between lines ${lines[0]} and ${lines[1]}` : '';
  const often = `differs in ${thousands(differs)} of ${plural(repeated, 'repetition')}${where}`;
  if (kind === 'ignore') return often;
  if (apart === null) return `${often}: map it otherwise, or ignore it`;
  return isTime
    ? `${often}: give it a tolerance of ${thousands(apart)} ms or more`
    : `${often}: give it a tolerance of ${apart} or more`;
}

function readingText({ callbacks, events }: Reading): string {
  const side = (name: string, { bodies, repeated, skipped }: SuggestedSide) =>
    `${name}: ${thousands(bodies)} read, ${thousands(repeated)} of them of a fact that was told before` +
    (skipped === 0
      ? '.'
      : `; ${thousands(skipped)} were left out, as only the first 50,000 facts are remembered.`);
  return [
    ...(callbacks.bodies > 0 ? [side('Callbacks', callbacks)] : []),
    ...(events.bodies > 0 ? [side('Events, per consumer', events)] : []),
    ...(callbacks.bodies + events.bodies === 0
      ? ['Nothing in these recordings belongs to a leg of the mapping.']
      : []),
  ].join('\n');
}

function nothingText({ callbacks, events }: Reading): string {
  if (callbacks.bodies + events.bodies === 0) {
    return 'Check that the mapping (docs/shadow.md) is that of these services: shadow compare counts what does not fit as extra.';
  }
  return callbacks.repeated + events.repeated > 0
    ? 'Nothing to propose: every field is mapped or ignored, and none differs by itself.'
    : 'Every field is mapped or ignored. Whether one differs by itself cannot be told: no fact was told twice. Give two recordings of the same jobs.';
}

function tableOf(suggestions: readonly Suggestion[]): string {
  return renderTable(
    ['EVENT', 'CONSUMER', 'SIDE', 'FIELD', 'WHY'],
    suggestions.map((each) => [each.eventType, each.consumer, each.side, each.path, reasonOf(each)]),
  );
}

/** The `ignore` of every leg that would change, whole: what is there already included. */
function snippetOf(suggestions: readonly Suggestion[], { legs }: ParsedShadowMapping): string[] {
  const changed = legs.filter(({ eventType, consumer }) =>
    suggestions.some(
      (each) => each.kind === 'ignore' && each.eventType === eventType && each.consumer === consumer,
    ),
  );
  if (changed.length === 0) return ['Nothing was changed.'];
  const blocks = changed.map(({ eventType, consumer, ignore }) =>
    [`// ${eventType} × ${consumer}`, `ignore: ${JSON.stringify(ignore)},`].map(safeLine).join('\n'),
  );
  return [
    'Nothing was changed. To take it over, replace `ignore` of these legs in `shadow` of the config (--json prints the whole mapping):',
    blocks.join('\n'),
  ];
}
