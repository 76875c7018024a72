/** A rehearsal as one page that needs nothing else, in the clothes of the shadow report. It has no script and loads nothing. */
import { createHash } from 'node:crypto';
import { percent, seconds, thousands, time } from '../shadow/quantities.js';
import { STYLE } from '../shadow/report/html-style.js';
import { across, html, type Markup, trusted } from '../shadow/report/markup.js';
import type { LegReport, RehearsalReport } from './report.js';

/** Stages are words that stay whole. */
const PAGE_STYLE = `${STYLE}\n.wide td { overflow-wrap: normal; }\n`;

const SIGNS = {
  right: html`<path d="M10 21l8 8 13-17"/>`,
  wrong: html`<path d="M12 12l16 16M28 12L12 28"/>`,
};

/** `generatedAt`: milliseconds since 1970. */
export function rehearsalHtml(report: RehearsalReport, generatedAt: number): string {
  const { ok, broker, address, startedAt, limits } = report;
  const sections: readonly (readonly [string, string, Markup])[] = [
    ['stages', 'Stages', stagesSection(report)],
    ['faults', 'Faults', faultsSection(report)],
    ['moves', 'Moves of the flag', movesSection(report)],
  ];
  const title = 'Rehearsal of the migration';
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '${hashOf(PAGE_STYLE)}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>${ok ? 'As it should be' : 'Not as it should be'} · ${title}</title>
<style>${trusted(PAGE_STYLE)}</style>
</head>
<body>
<a class="skip" href="#outcome">To the outcome</a>
<header>
<p class="kind">From callbacks to events, and back</p>
<h1>${title}</h1>
<p class="span">On ${broker === 'embedded' ? 'an embedded broker' : address}, begun ${startedAt}. Written <time datetime="${time(generatedAt)}">${time(generatedAt)}</time>.</p>
<nav aria-label="Sections"><ul>${sections.map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
</header>
<main>
${outcomeSection(report)}
${figures(report)}
${sections.map(([, , section]) => section)}
</main>
<footer><p>Verdicts of this rehearsal tolerate ${percent(limits.tolerated)} bad legs: SAFE takes ${thousands(limits.cleanLegs)} clean ones of each kind. That shows that the tools work, and nothing about services. Times are UTC; this page loads nothing from anywhere.</p></footer>
</body>
</html>
`.markup;
}

function outcomeSection({ ok, problems, exactlyOnce, tookMs }: RehearsalReport): Markup {
  const meaning = exactlyOnce
    ? 'Every fact had its effects exactly once, on the path that counted.'
    : 'Not every fact had its effects exactly once.';
  const list =
    problems.length === 0
      ? undefined
      : html`<h3>Not as it should be</h3><ol class="reasons">${problems.map((text) => html`<li>${text}</li>`)}</ol>`;
  return html`<section id="outcome" class="verdict ${ok ? 'safe' : 'unsafe'}" aria-labelledby="outcome-heading">
<svg class="sign" viewBox="0 0 40 40" aria-hidden="true"><circle cx="20" cy="20" r="18"/>${ok ? SIGNS.right : SIGNS.wrong}</svg>
<div>
<h2 id="outcome-heading"><span class="label">Rehearsed in ${seconds(tookMs)}</span> <span class="word">${ok ? 'As it should be' : 'Not as it should be'}</span></h2>
<p class="meaning">${meaning}</p>
${list}
</div>
</section>`;
}

function figures({ facts, effects, faults, cutOverMs, deadLetters }: RehearsalReport): Markup {
  const reported = faults.filter(({ reported: by }) => by !== null).length;
  const all: readonly (readonly [string, string])[] = [
    ['Facts', thousands(facts)],
    ['Effects', thousands(effects.expected)],
    ['of them right', thousands(effects.right)],
    ['Faults reported', `${thousands(reported)} of ${thousands(faults.length)}`],
    ['Cut-over', cutOverMs === null ? '–' : seconds(cutOverMs)],
    ['Dead letters replayed', thousands(deadLetters.replayed)],
  ];
  return html`<dl class="figures">${all.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;
}

const name = (leg: LegReport['leg']) => (leg === 'back' ? 'off again' : leg);

function stagesSection({ stages }: RehearsalReport): Markup {
  return html`<section id="stages" aria-labelledby="stages-heading">
<h2 id="stages-heading">Stages</h2>
<p class="lead">By which path the effects happened. Jobs on their way while the flag was moved are counted in the stage they were driven to.</p>
${pathsDrawing(stages)}
${table(
  'Stages',
  ['Stage', 'Facts', 'By callback', 'By event', 'Exactly once', 'Verdict', 'Seen after'],
  stages.map((stage) => [
    name(stage.leg),
    thousands(stage.facts),
    thousands(stage.byCallback),
    thousands(stage.byEvent),
    stage.exactlyOnce ? 'yes' : 'NO',
    stage.verdict === null
      ? '–'
      : `${stage.verdict.verdict}, ${thousands(stage.verdict.legs)} legs, ${thousands(stage.verdict.bad)} bad`,
    stage.seenMs === null ? '–' : seconds(stage.seenMs),
  ]),
)}
</section>`;
}

const ROW = 26;
/** The names stand before the bars: as a share of the width. */
const NAMES = 0.14;

function pathsDrawing(stages: readonly LegReport[]): Markup {
  const most = Math.max(1, ...stages.map(({ byCallback, byEvent }) => byCallback + byEvent));
  const wide = (count: number) => (count / most) * (1 - NAMES);
  const rows = stages.map(({ leg, byCallback, byEvent }, at) => {
    const y = at * ROW;
    return html`<text x="0" y="${y + 14}">${name(leg)}</text><rect class="of-callback" x="${across(NAMES)}" width="${across(wide(byCallback))}" y="${y + 2}" height="16"/><rect class="of-event" x="${across(NAMES + wide(byCallback))}" width="${across(wide(byEvent))}" y="${y + 2}" height="16"/>`;
  });
  return html`<svg class="chart" role="img" aria-label="Effects by path in each stage; the table has the numbers." width="100%" height="${stages.length * ROW}">${rows}</svg>
<ul class="legend"><li><svg width="12" height="12" aria-hidden="true"><rect class="of-callback" width="12" height="12" rx="2"/></svg>by callback</li><li><svg width="12" height="12" aria-hidden="true"><rect class="of-event" width="12" height="12" rx="2"/></svg>by event</li></ul>`;
}

function faultsSection({ faults }: RehearsalReport): Markup {
  const rows = faults.map(({ fault, stage, did, reported, leftOut }) => [
    ...[fault, stage, did],
    leftOut ?? reported ?? 'nobody',
  ]);
  return html`<section id="faults" aria-labelledby="faults-heading">
<h2 id="faults-heading">Faults</h2>
${rows.length === 0 ? html`<p class="lead">None were planted.</p>` : table('Faults', ['Fault', 'Stage', 'What it did', 'Reported by'], rows)}
</section>`;
}

function movesSection({ moves, audit }: RehearsalReport): Markup {
  return html`<section id="moves" aria-labelledby="moves-heading">
<h2 id="moves-heading">Moves of the flag</h2>
<p class="lead">Audit trail: ${thousands(audit.entries)} entries, ${audit.problems.length === 0 ? 'verified' : 'not in order'}.</p>
${table(
  'Moves of the flag',
  ['From', 'To', 'Epoch', 'Seen after', 'Jobs on their way'],
  moves.map(({ from, to, epoch, seenMs, jobs }) => [
    from,
    to === 'back' ? 'off' : to,
    String(epoch),
    seenMs === null ? 'not seen' : seconds(seenMs),
    thousands(jobs),
  ]),
)}
</section>`;
}

function table(label: string, head: readonly string[], rows: readonly (readonly string[])[]): Markup {
  return html`<div class="wide" role="region" aria-label="${label}" tabindex="0"><table>
<thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>${rows.map(([first = '', ...rest]) => html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
</table></div>`;
}

function hashOf(source: string): string {
  return `sha256-${createHash('sha256').update(source).digest('base64')}`;
}
