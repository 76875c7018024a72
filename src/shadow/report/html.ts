/**
 * A run as one page that needs nothing else: styles, script and data are in it, and its policy forbids it to load
 * anything or to run a script that is not its own. All of it can be read without the script, but for the list of legs.
 */
import { createHash } from 'node:crypto';
import { time } from '../quantities.js';
import type { LegRow, RunSummary } from '../run-summary.js';
import type { Judgement } from '../verdict.js';
import { OUTCOME_NAMES } from './figures.js';
import { besideSection, findingsSection, sourcesSection, spanText } from './html-findings.js';
import { latencySection } from './html-latency.js';
import { legsSection } from './html-legs.js';
import { SCRIPT } from './html-script.js';
import { strataSection } from './html-strata.js';
import { STYLE } from './html-style.js';
import { timeSection } from './html-time.js';
import { keyFigures, verdictSection } from './html-verdict.js';
import { reportDocument } from './json.js';
import { html, trusted } from './markup.js';
import { plainDeep } from './plain.js';

/** In a tagged template the bundler would import a helper for it that nobody has installed. */
const SCRIPT_END = trusted('</script>');

export interface HtmlReport {
  readonly summary: RunSummary;
  readonly judgement: Judgement;
  /** Legs that did not match, as many as the page shall hold; some ten thousand stay quick. */
  readonly legs: readonly LegRow[];
  /** How many there are. */
  readonly legCount: number;
  /** Milliseconds since 1970. */
  readonly generatedAt: number;
  /** Heads the page: whose run it is. */
  readonly title: string;
}

export function reportHtml({ summary, judgement, legs, legCount, generatedAt, title }: HtmlReport): string {
  const document = reportDocument(summary, judgement);
  const data = { report: document, legs, legCount, names: OUTCOME_NAMES };
  const sections = [
    ['verdict', 'Verdict'],
    ['strata', 'Events and consumers'],
    ['time', 'Over time'],
    ['latency', 'How long it takes'],
    ['findings', 'Not in order'],
    ['legs', 'Legs'],
    ['sources', 'Sources'],
  ] as const;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '${hashOf(SCRIPT)}'; style-src '${hashOf(STYLE)}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>${judgement.verdict} · ${title}</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
<a class="skip" href="#verdict">To the verdict</a>
<header>
<p class="kind">Shadow run: callbacks beside events</p>
<h1>${title}</h1>
<p class="span">${spanText(summary.from, summary.to)}. Written <time datetime="${time(generatedAt)}">${time(generatedAt)}</time>.</p>
<nav aria-label="Sections"><ul>${sections.map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
</header>
<main>
${verdictSection(document)}
${keyFigures(document)}
${strataSection(document)}
${timeSection(summary)}
${latencySection(summary)}
${findingsSection(document)}
${legsSection(legs, legCount)}
${besideSection(document)}
${sourcesSection(document)}
</main>
<footer><p>Times are UTC. Percentiles are within 1 % of the true ones. This page loads nothing from anywhere; the report as JSON is in it, in the element <code>data</code>.</p></footer>
<script type="application/json" id="data">${trusted(jsonForScript(data))}${SCRIPT_END}
<script>${trusted(SCRIPT)}${SCRIPT_END}
</body>
</html>
`;
  return page.markup;
}

/** JSON that cannot end the element it stands in, nor begin a comment there. */
function jsonForScript(value: object): string {
  return JSON.stringify(plainDeep(value)).replace(
    /[<>&]/g,
    (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`,
  );
}

function hashOf(source: string): string {
  return `sha256-${createHash('sha256').update(source).digest('base64')}`;
}
