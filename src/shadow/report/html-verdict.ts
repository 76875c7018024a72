/** The head of the page: the verdict, why, and the figures of the whole run. */
import { about, thousands } from '../quantities.js';
import type { Verdict } from '../verdict.js';
import { MEANING, UNMATCHED } from './figures.js';
import type { ReportDocument } from './json.js';
import { html, type Markup, withCode } from './markup.js';

/** Told apart by form as well as by colour. */
const SIGNS: { readonly [verdict in Verdict]: Markup } = {
  SAFE: html`<path d="M10 21l8 8 13-17"/>`,
  UNSAFE: html`<path d="M12 12l16 16M28 12L12 28"/>`,
  INCONCLUSIVE: html`<path d="M11 20h.01M20 20h.01M29 20h.01"/>`,
};

export function verdictSection({ verdict, reasons, safeInMs }: ReportDocument): Markup {
  const wait =
    verdict === 'INCONCLUSIVE' && safeInMs !== null
      ? html`<p class="wait">SAFE in <strong>${about(safeInMs)}</strong>, if every leg from now on is good.</p>`
      : undefined;
  return html`<section id="verdict" class="verdict ${verdict.toLowerCase()}" aria-labelledby="verdict-heading">
<svg class="sign" viewBox="0 0 40 40" aria-hidden="true"><circle cx="20" cy="20" r="18"/>${SIGNS[verdict]}</svg>
<div>
<h2 id="verdict-heading"><span class="label">Verdict</span> <span class="word">${verdict}</span></h2>
<p class="meaning">${MEANING[verdict]}</p>
${wait}
<h3>Why</h3>
<ol class="reasons">${reasons.map(
    ({ stratum, text }) =>
      html`<li>${stratum === null ? undefined : html`<strong>${stratum}</strong> `}<span>${withCode(text)}</span></li>`,
  )}</ol>
</div>
</section>`;
}

export function keyFigures({ legs, observations }: ReportDocument): Markup {
  const unmatched = UNMATCHED.reduce((sum, outcome) => sum + legs[outcome], 0);
  const figures: readonly (readonly [string, string, number])[] = [
    ['observations', 'Observations', observations],
    ['match', 'Legs that match', legs.match],
    ['unmatched', 'Legs that do not', unmatched],
    ['pending', 'Legs still open', legs.pending],
    ['extra', 'Without a leg', legs.extra],
  ];
  return html`<dl class="figures">${figures.map(
    ([name, label, value]) =>
      html`<div><dt>${label}</dt><dd data-figure="${name}">${thousands(value)}</dd></div>`,
  )}</dl>`;
}
