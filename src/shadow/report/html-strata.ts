/** What each stratum has shown, how far it is from SAFE, and what came of its legs. */
import { percent, thousands } from '../quantities.js';
import { ALPHA } from '../sequential-test.js';
import type { TestResult } from '../strata.js';
import { OUTCOME_NAMES, shortTime, UNMATCHED, waitText } from './figures.js';
import type { ReportDocument, StratumDocument } from './json.js';
import { html, type Markup } from './markup.js';

export function strataSection({ strata, legs }: ReportDocument): Markup {
  return html`<section id="strata" aria-labelledby="strata-heading">
<h2 id="strata-heading">Event types and consumers</h2>
<p class="lead">Each is judged by itself, and all of them must be shown for SAFE. A bar is full when the evidence is enough.</p>
<table class="strata" role="table">
<thead role="rowgroup"><tr role="row">${[
    'Event and consumer',
    'Test',
    'Legs',
    'Bad',
    'Share bad, 95 %',
    'Progress to SAFE',
    'Still needed',
  ].map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>
${strata.map(stratumRows)}
</table>
<h3 id="outcomes-heading">What came of the legs</h3>
${outcomesTable(strata, legs)}
${leftOutNote(strata)}
</section>`;
}

function leftOutNote(strata: readonly StratumDocument[]): Markup | undefined {
  const leftOut = strata.reduce((sum, stratum) => sum + stratum.leftOut, 0);
  if (leftOut === 0) return undefined;
  return html`<p class="note">Besides, ${thousands(leftOut)} events with nothing to compare: their callbacks were not sent.</p>`;
}

function stratumRows(stratum: StratumDocument): Markup {
  const { eventType, consumer, latency, waiver } = stratum;
  const name = `${eventType} × ${consumer}`;
  const waived =
    waiver === null
      ? undefined
      : html`<span class="note">Waived by ${waiver.who} on ${waiver.when}: ${waiver.why}</span>`;
  const both =
    stratum.bothApplied === 0
      ? undefined
      : html`<span class="note bad">Applied on both paths: ${thousands(stratum.bothApplied)}</span>`;
  const head = html`<th role="rowheader" scope="rowgroup" rowspan="${latency === null ? 1 : 2}"><span class="event">${eventType}</span> <span class="consumer">× ${consumer}</span>${waived}${both}</th>`;
  return html`<tbody role="rowgroup" data-stratum="${name}">
${testRow(head, name, 'Same, and there', stratum, waiver !== null)}
${latency === null ? undefined : testRow(undefined, name, `In time, ${shortTime(latency.budgetMs)}`, latency, waiver !== null)}
</tbody>`;
}

function testRow(
  head: Markup | undefined,
  stratum: string,
  test: string,
  result: TestResult,
  waived: boolean,
): Markup {
  const { legs, bad, interval, finding } = result;
  const share = legs === 0 ? '–' : `${percent(interval.low)} to ${percent(interval.high)}`;
  // `data-label` heads the cell where the table is too wide for its place.
  const cell = (label: string, value: string | Markup, type = 'number') =>
    html`<td role="cell" class="${type}" data-label="${label}"><span>${value}</span></td>`;
  return html`<tr role="row" class="${waived && finding === 'open' ? 'waived' : finding}">${head}${cell('Test', test, 'text')}${cell('Legs', thousands(legs))}${cell('Bad', thousands(bad))}${cell('Share bad, 95 %', share)}${cell('Progress to SAFE', progress(`${stratum}, ${test}`, result, waived), 'progress')}${cell('Still needed', needed(result, waived))}</tr>`;
}

/** Of the evidence that SAFE takes, on the logarithmic scale on which each good leg adds the same. */
function progress(name: string, { finding, log10E }: TestResult, waived: boolean): Markup {
  const share = Math.max(0, Math.min(1, log10E / -Math.log10(ALPHA)));
  const full = finding === 'safe' ? 100 : Math.min(99, Math.floor(share * 100));
  const words = { safe: 'shown', unsafe: 'unsafe', open: waived ? 'waived' : `${full} %` };
  return html`<progress max="100" value="${full}" aria-label="${name}: progress to SAFE"></progress> <span>${words[finding]}</span>`;
}

function needed(test: TestResult, waived: boolean): Markup | string {
  const { finding, neededCleanLegs } = test;
  if (finding === 'safe') return 'none';
  if (finding === 'unsafe') return 'a new run';
  if (waived) return 'none (waived)';
  return html`${thousands(neededCleanLegs)} clean legs <span class="note">${waitText(test)}</span>`;
}

function outcomesTable(strata: readonly StratumDocument[], legs: ReportDocument['legs']): Markup {
  const seen = UNMATCHED.filter((outcome) => legs[outcome] > 0);
  const columns = ['match', ...seen] as const;
  const names = [...columns.map((outcome) => OUTCOME_NAMES[outcome]), 'open'];
  const cell = (name: string, value: number) =>
    html`<td class="number${value === 0 ? ' zero' : ''}" data-outcome="${name}">${thousands(value)}</td>`;
  return html`<div class="wide" role="region" aria-labelledby="outcomes-heading" tabindex="0"><table class="outcomes">
<thead><tr><th scope="col">Event and consumer</th>${names.map((name) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
<tbody>${strata.map(
    ({ eventType, consumer, outcomes, pending }) =>
      html`<tr data-stratum="${eventType} × ${consumer}"><th scope="row">${eventType} <span class="consumer">× ${consumer}</span></th>${columns.map((outcome) => cell(outcome, outcomes?.[outcome] ?? 0))}${cell('pending', pending)}</tr>`,
  )}</tbody>
<tfoot><tr data-stratum="all"><th scope="row">All</th>${columns.map((outcome) => cell(outcome, legs[outcome]))}${cell('pending', legs.pending)}</tr></tfoot>
</table></div>`;
}
