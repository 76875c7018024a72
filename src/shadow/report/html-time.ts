/** Outcomes over time: what matched above, what did not below it on a scale of its own, for it is a thousand times rarer. */
import type { OutcomeCounts } from '../counts.js';
import { thousands, time } from '../quantities.js';
import type { RunSummary, Timeline } from '../run-summary.js';
import { OUTCOME_NAMES, UNMATCHED, type Unmatched } from './figures.js';
import { across, html, type Markup } from './markup.js';
import { timeTicks } from './ticks.js';

/** More bars than a phone has pixels for tell nothing more. */
const MOST_BARS = 120;
/** Heights in pixels; widths are shares of the page. */
const TOP = { from: 16, height: 84 };
const BELOW = { from: 128, height: 104 };
const AXIS = BELOW.from + BELOW.height;
const HEIGHT = AXIS + 24;

interface Bar {
  readonly at: number;
  readonly match: number;
  readonly unmatched: number;
  readonly outcomes: { readonly [outcome in Unmatched]: number };
}

export function timeSection({ timeline, gaps, counts }: RunSummary): Markup {
  const { bars, barMs, from, to } = barsOf(timeline);
  if (bars.length === 0) {
    return html`<section id="time" aria-labelledby="time-heading"><h2 id="time-heading">Over time</h2><p class="lead">No leg has closed yet.</p></section>`;
  }
  const share = (at: number) => Math.max(0, Math.min(1, (at - from) / (to - from)));
  const most = { match: largest(bars, 'match'), unmatched: largest(bars, 'unmatched') };
  const seen = UNMATCHED.filter((outcome) => counts.totals[outcome] > 0);
  const width = across(Math.max(0.001, (barMs / (to - from)) * 0.86));
  const gapShades = gaps.map(
    ({ source, from: begin, to: end }) =>
      html`<rect class="gap" x="${across(share(begin))}" width="${across(Math.max(0.002, share(end ?? to) - share(begin)))}" y="${TOP.from}" height="${AXIS - TOP.from}"><title>Gap of ${source}</title></rect>`,
  );
  const worst = bars.reduce((a, b) => (b.unmatched > a.unmatched ? b : a));
  const summary = `${thousands(counts.totals.match)} legs matched; most legs that did not match in one bar: ${thousands(worst.unmatched)}, from ${time(worst.at)}.`;
  return html`<section id="time" aria-labelledby="time-heading">
<h2 id="time-heading">Over time</h2>
<p class="lead">When legs were first seen (UTC). Each bar is ${lengthText(barMs)}; the lower half has a scale of its own.${gaps.length > 0 ? ' Hatched: a gap in collection.' : ''}</p>
<svg class="chart" role="img" aria-label="Outcomes over time. ${summary}" width="100%" height="${HEIGHT}">
<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line y2="6" class="hatch"/></pattern></defs>
${gapShades}
${frame(TOP, `match, up to ${thousands(most.match)}`)}
${frame(BELOW, most.unmatched === 0 ? 'everything matched' : `not a match, up to ${thousands(most.unmatched)}`)}
${bars.map((bar) => barMarkup(bar, across(share(bar.at)), width, most))}
${timeTicks(from, to).map(
  ({ at, label }, index) =>
    html`<text class="tick${index % 2 === 1 ? ' second' : ''}" x="${across(share(at))}" y="${AXIS + 16}">${label}</text>`,
)}
</svg>
<ul class="legend"><li><svg width="12" height="12" aria-hidden="true"><rect class="o-match" width="12" height="12" rx="2"/></svg>match <b>${thousands(counts.totals.match)}</b></li>${seen.map(
    (outcome) =>
      html`<li><svg width="12" height="12" aria-hidden="true"><rect class="o-${outcome}" width="12" height="12" rx="2"/></svg>${OUTCOME_NAMES[outcome]} <b>${thousands(counts.totals[outcome])}</b></li>`,
  )}</ul>
${numbersTable(bars, seen)}
</section>`;
}

function frame({ from, height }: typeof TOP, label: string): Markup {
  return html`<line class="rule" x1="0" x2="100%" y1="${from}" y2="${from}"/><line class="base" x1="0" x2="100%" y1="${from + height}" y2="${from + height}"/><text class="scale" x="0" y="${from - 5}">${label}</text>`;
}

function barMarkup(bar: Bar, x: string, width: string, most: { match: number; unmatched: number }): Markup {
  const tall = (count: number, of: number, height: number) =>
    count === 0 ? 0 : Math.max(1.5, (count / Math.max(1, of)) * height);
  const matched = tall(bar.match, most.match, TOP.height);
  let y = BELOW.from + BELOW.height;
  const stack = UNMATCHED.filter((outcome) => bar.outcomes[outcome] > 0).map((outcome) => {
    const height = tall(bar.outcomes[outcome], most.unmatched, BELOW.height);
    y -= height;
    return html`<rect class="o-${outcome}" x="${x}" width="${width}" y="${pixels(y)}" height="${pixels(height)}"/>`;
  });
  const told = UNMATCHED.filter((outcome) => bar.outcomes[outcome] > 0).map(
    (outcome) => `, ${OUTCOME_NAMES[outcome]} ${thousands(bar.outcomes[outcome])}`,
  );
  return html`<g><title>${time(bar.at)}: match ${thousands(bar.match)}${told}</title><rect class="o-match" x="${x}" width="${width}" y="${pixels(TOP.from + TOP.height - matched)}" height="${pixels(matched)}"/>${stack}</g>`;
}

/** The same for those who do not see the drawing: only bars that have something to tell. */
function numbersTable(bars: readonly Bar[], seen: readonly Unmatched[]): Markup | undefined {
  const told = bars.filter(({ unmatched }) => unmatched > 0);
  if (told.length === 0) return undefined;
  return html`<details><summary>Numbers of the lower half</summary><div class="wide" role="region" aria-label="Legs that did not match, over time" tabindex="0"><table>
<thead><tr><th scope="col">From (UTC)</th>${seen.map((outcome) => html`<th scope="col" class="number">${OUTCOME_NAMES[outcome]}</th>`)}</tr></thead>
<tbody>${told.map(
    (bar) =>
      html`<tr><th scope="row">${time(bar.at)}</th>${seen.map((outcome) => html`<td class="number${bar.outcomes[outcome] === 0 ? ' zero' : ''}">${thousands(bar.outcomes[outcome])}</td>`)}</tr>`,
  )}</tbody></table></div></details>`;
}

function barsOf({ bucketMs, buckets }: Timeline): { bars: Bar[]; barMs: number; from: number; to: number } {
  const from = buckets[0]?.at ?? 0;
  const places = Math.ceil(((buckets.at(-1)?.at ?? 0) + bucketMs - from) / bucketMs);
  const barMs = bucketMs * Math.ceil(places / MOST_BARS);
  const to = from + Math.ceil((places * bucketMs) / barMs) * barMs;
  const grouped = new Map<number, OutcomeCounts[]>();
  for (const { at, outcomes } of buckets) {
    const place = Math.floor((at - from) / barMs);
    const own = grouped.get(place);
    if (own) own.push(outcomes);
    else grouped.set(place, [outcomes]);
  }
  const bars = [...grouped].map(([place, own]): Bar => {
    const sum = (outcome: keyof OutcomeCounts) => own.reduce((total, each) => total + each[outcome], 0);
    const outcomes = {
      ...{ mismatch: sum('mismatch'), missingEvent: sum('missingEvent'), late: sum('late') },
      ...{ missingCallback: sum('missingCallback'), duplicate: sum('duplicate'), refused: sum('refused') },
      ...{ invalid: sum('invalid'), outOfOrder: sum('outOfOrder') },
    };
    const unmatched = UNMATCHED.reduce((total, outcome) => total + outcomes[outcome], 0);
    return { at: from + place * barMs, match: sum('match'), unmatched, outcomes };
  });
  return { bars, barMs, from, to };
}

function largest(bars: readonly Bar[], which: 'match' | 'unmatched'): number {
  return bars.reduce((most, bar) => Math.max(most, bar[which]), 0);
}

const pixels = (value: number) => String(Math.round(value * 10) / 10);

/** Bars are whole quarters of a minute. */
function lengthText(ms: number): string {
  const [unit, size] = LENGTHS.find(([, length]) => ms % length === 0) ?? ['s', 1_000];
  return `${thousands(ms / size)} ${unit}`;
}

const LENGTHS = [
  ['h', 3_600_000],
  ['min', 60_000],
] as const;
