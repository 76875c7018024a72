/** What is not in order, by cause, with what to do; and what lies beside the legs. */
import { plural, thousands, time } from '../quantities.js';
import { EVIDENCE_NAMES, EXTRA_NAMES, OUTCOME_NAMES, shortTime } from './figures.js';
import type { ReportDocument } from './json.js';
import { html, type Markup, withCode } from './markup.js';

/** Enough to work on; the list below has the legs themselves. */
const MOST_SHOWN = 50;

export function findingsSection({ findings }: ReportDocument): Markup {
  const more = findings.length - MOST_SHOWN;
  return html`<section id="findings" aria-labelledby="findings-heading">
<h2 id="findings-heading">What is not in order</h2>
<p class="lead">${findings.length === 0 ? 'Every leg that closed is in order.' : 'By cause: what counts against the events first, then the most frequent.'}</p>
<ol class="findings">${findings.slice(0, MOST_SHOWN).map(findingItem)}</ol>
${more > 0 ? html`<p class="lead">${plural(more, 'rarer cause')} not shown; the report as JSON has them all.</p>` : undefined}
</section>`;
}

function findingItem(finding: ReportDocument['findings'][number]): Markup {
  const { outcome, evidence, eventType, consumer, count, says, fix, examples } = finding;
  return html`<li class="finding ${evidence}"><article>
<h3><span class="count">${thousands(count)}</span> <span class="chip c-${outcome}">${OUTCOME_NAMES[outcome]}</span> <span class="of">${eventType} <span class="consumer">× ${consumer}</span></span> <span class="evidence">${EVIDENCE_NAMES[evidence]}</span></h3>
<p>${withCode(says)}</p>
<p class="todo"><b>What to do</b> ${withCode(fix)}</p>
<p class="examples">${examples.map(
    ({ job, attempt, at, lines }) =>
      html`<span>Job <code>${job}</code>${attempt > 1 ? `, attempt ${attempt}` : undefined}, ${at}${place(lines)}</span>`,
  )}</p>
</article></li>`;
}

function place({ callback, event }: { readonly callback: number; readonly event: number }): string {
  const told = [
    ...(callback > 0 ? [`callback in line ${callback}`] : []),
    ...(event > 0 ? [`event in line ${event}`] : []),
  ];
  return told.length === 0 ? '' : ` (${told.join(', ')})`;
}

export function sourcesSection(document: ReportDocument): Markup {
  const { sources, gaps, doubts, windowMs, budgetMs } = document;
  return html`<section id="sources" aria-labelledby="sources-heading">
<h2 id="sources-heading">Sources and gaps</h2>
<p class="lead">A leg waits ${shortTime(windowMs)} for its other path.${budgetMs === null ? '' : ` An event in time comes within ${shortTime(budgetMs)} of its callback.`} A gap in collection makes the verdict INCONCLUSIVE.</p>
${doubts.length === 0 ? undefined : html`<ul class="doubts">${doubts.map((doubt) => html`<li>${withCode(doubt)}</li>`)}</ul>`}
${table(
  'Sources',
  ['Source', 'Tells of', 'Complete until', 'State'],
  sources.map(({ source, path, watermark, stalledSince }) => [
    source,
    path === 'report' ? "consumers' reports" : `${path}s`,
    watermark ?? 'nothing told yet',
    stalledSince === null ? 'in order' : `stalled since ${stalledSince}`,
  ]),
)}
${
  gaps.length === 0
    ? html`<p>No gap in collection.</p>`
    : table(
        'Gaps in collection',
        ['Source', 'From', 'To'],
        gaps.map(({ source, from, to }) => [source, from ?? 'the beginning', to ?? 'lasts']),
      )
}
</section>`;
}

export function besideSection({ extra, unmapped }: ReportDocument): Markup | undefined {
  if (extra.length + unmapped.length === 0) return undefined;
  return html`<section id="beside" aria-labelledby="beside-heading">
<h2 id="beside-heading">Not compared</h2>
${
  extra.length === 0
    ? undefined
    : html`<p class="lead">Seen, and part of no leg. Map it, or see who sends it.</p>${table(
        'Without a leg',
        ['What', 'Why', 'How often', 'First in'],
        extra.map(({ what, reason, count, source, line }) => [
          ...[
            what,
            EXTRA_NAMES[reason] ?? reason,
            thousands(count),
            line > 0 ? `${source}, line ${line}` : source,
          ],
        ]),
      )}`
}
${
  unmapped.length === 0
    ? undefined
    : html`<p class="lead">Fields that the mapping neither compares nor ignores. Map or ignore each: what is not compared may differ.</p>${table(
        'Unmapped fields',
        ['Field', 'Side', 'Event and consumer', 'How often'],
        unmapped.map(({ path, side, eventType, consumer, count }) => [
          ...[path, side, `${eventType} × ${consumer}`, thousands(count)],
        ]),
      )}`
}
</section>`;
}

function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): Markup {
  return html`<div class="wide" role="region" aria-label="${caption}" tabindex="0"><table><caption>${caption}</caption>
<thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((value) => html`<td>${value}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** `2024-01-01T00:00:00Z to 2024-01-31T00:00:00Z`. */
export function spanText(from: number | null, to: number | null): string {
  return from === null || to === null ? 'nothing was seen' : `${time(from)} to ${time(to)}`;
}
