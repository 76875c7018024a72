/** What is wrong with recordings, or with one beside the other, in words for whoever made them. */
import { EventsError } from '../core/errors.js';
import type { Comparison } from '../shadow/compare.js';
import { about, plural } from '../shadow/quantities.js';

const SIDES = ['callbacks', 'events'] as const;
type Side = (typeof SIDES)[number];
/** What people call the two files. */
type Names = { readonly [side in Side]: { readonly name: string } };

const otherOf = (side: Side): Side => (side === 'callbacks' ? 'events' : 'callbacks');

/** A file of which not one line could be read is no poor recording, but another file: throws `input-invalid`. */
export function requireRecords({ coverage, errors }: Comparison, names: Names): void {
  for (const side of SIDES) {
    const first = errors.find(({ file }) => file === side);
    if (first === undefined || coverage[side].lines > 0) continue;
    const expected =
      side === 'callbacks'
        ? 'lines of {"at","method","path","body","status"}, or a HAR'
        : 'the lines of tail --save or tail --json';
    throw new EventsError(
      'input-invalid',
      `${names[side].name} holds no recorded ${side.slice(0, -1)}; line ${first.line}: ${first.problem}`,
      { hint: `Expected ${expected}. If it is the ${otherOf(side)}, give it with --${otherOf(side)}.` },
    );
  }
}

/** One sentence each; empty when there is nothing to warn of. */
export function warningsOf(comparison: Comparison, names: Names): string[] {
  return [
    ...linesNotRead(comparison, names),
    ...SIDES.flatMap((side) => notCovered(comparison, side, names)),
  ];
}

/** So many are shown one by one. */
const LINES_SHOWN = 3;

function linesNotRead({ errors, unreadable }: Comparison, names: Names): string[] {
  const more = unreadable - LINES_SHOWN;
  const nameOf = (file: string) => (file === 'events' ? names.events : names.callbacks).name;
  return [
    ...errors.slice(0, LINES_SHOWN).map(({ file, line, problem }) => `${nameOf(file)}:${line}: ${problem}`),
    ...(more > 0 ? [`and ${plural(more, 'more line')} that could not be read`] : []),
  ];
}

/**
 * Two recordings that were not begun and ended together look like a path that brings nothing. Nobody can tell the two apart
 * but whoever recorded them.
 */
function notCovered(
  { coverage, counts: { totals }, summary: { windowMs } }: Comparison,
  side: Side,
  names: Names,
): string[] {
  const missing = side === 'events' ? totals.missingEvent : totals.missingCallback;
  const [own, other] = [coverage[side], coverage[otherOf(side)]];
  if (missing === 0 || other.from === null || other.to === null) return [];
  const [name, otherName] = [names[side].name, names[otherOf(side)].name];
  if (own.from === null || own.to === null) {
    return [`${name} is empty: what is in ${otherName} was compared with nothing`];
  }
  const advice = `what ${otherName} tells of that time counts as missing ${side}. If nothing was recorded then, leave it out, and compare again`;
  const late = own.from - other.from;
  const early = other.to - own.to;
  return [
    ...(late > windowMs ? [`${name} begins ${about(late)} after ${otherName}: ${advice}`] : []),
    ...(early > windowMs ? [`${name} ends ${about(early)} before ${otherName}: ${advice}`] : []),
  ];
}
