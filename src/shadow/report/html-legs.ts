/** The list of legs that did not match: its controls. The page's own script fills it from the data. */
import { plural, thousands } from '../quantities.js';
import type { LegRow } from '../run-summary.js';
import { OUTCOME_NAMES, UNMATCHED } from './figures.js';
import { html, type Markup } from './markup.js';

export function legsSection(legs: readonly LegRow[], legCount: number): Markup {
  const outcomes = UNMATCHED.filter((outcome) => legs.some((leg) => leg.outcome === outcome));
  const strata = [...new Set(legs.map(({ eventType, consumer }) => `${eventType} × ${consumer}`))].sort();
  const kept =
    legs.length < legCount
      ? `${plural(legCount, 'leg')} did not match; the list holds ${thousands(legs.length)} of them.`
      : `${plural(legCount, 'leg')} did not match.`;
  return html`<section id="legs" aria-labelledby="legs-heading">
<h2 id="legs-heading">Legs that did not match</h2>
<p class="lead" id="legs-kept">${kept} Values are shortened, and personal ones hidden.</p>
${legs.length === 0 ? undefined : controls(outcomes, strata)}
</section>`;
}

function controls(outcomes: readonly (typeof UNMATCHED)[number][], strata: readonly string[]): Markup {
  return html`<form class="filters" role="search" aria-label="Legs that did not match">
<label class="words">Search <input type="search" id="words" autocomplete="off" spellcheck="false" placeholder="job, field, words"></label>
<label>Outcome <select id="outcome"><option value="">all</option>${outcomes.map((outcome) => html`<option value="${outcome}">${OUTCOME_NAMES[outcome]}</option>`)}</select></label>
<label>Event and consumer <select id="stratum"><option value="">all</option>${strata.map((name) => html`<option value="${name}">${name}</option>`)}</select></label>
<label class="check"><input type="checkbox" id="against"> only what counts against</label>
</form>
<p id="shown" role="status"></p>
<ol id="rows" class="rows"></ol>
<button type="button" id="more" hidden>Show more</button>
<noscript><p>The list needs JavaScript, which is part of this page and loads nothing.</p></noscript>`;
}
