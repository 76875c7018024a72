/** The styles of the page. Colour only repeats what words and forms say; every pair of it has a contrast of 4.5 or more. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #faf9f6; --card: #ffffff; --ink: #1c2226; --quiet: #5a666e; --line: #e2dfd8; --soft: #f1efea;
  --good: #1f7350; --bad: #b3261e; --wait: #855500; --link: #1f5c91; --callback: #7c8791; --event: #2f77b0;
  --match: #9fc9b4; --mismatch: #c2410c; --missingEvent: #b3261e; --invalid: #8b1d5b; --late: #8a5a00;
  --outOfOrder: #7a4fc0; --duplicate: #2f77b0; --refused: #64707a; --missingCallback: #0f7c86;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #13171a; --card: #1a1f23; --ink: #e4e8ea; --quiet: #9fabb3; --line: #2c3439; --soft: #20262b;
    --good: #6cc79b; --bad: #f2938a; --wait: #e0b356; --link: #8cbfe8; --callback: #8b98a3; --event: #62a8dd;
    --match: #3f6f58; --mismatch: #f0884f; --missingEvent: #ef7268; --invalid: #dd7ab2; --late: #ddab4a;
    --outOfOrder: #ae8df0; --duplicate: #62a8dd; --refused: #98a4ad; --missingCallback: #4fb7c1;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
  overflow-wrap: anywhere;
}
h1, h2, h3 { line-height: 1.25; text-wrap: balance; }
h1 { margin: 0; font-size: clamp(1.5rem, 4vw, 2.1rem); font-weight: 650; letter-spacing: -0.015em; }
h2 { margin: 0 0 .3rem; font-size: 1.3rem; font-weight: 620; letter-spacing: -0.01em; }
h3 { margin: 0 0 .4rem; font-size: 1rem; font-weight: 620; }
p { margin: 0 0 .75rem; text-wrap: pretty; }
a { color: var(--link); }
code { font: .875em/1.4 ui-monospace, "Cascadia Mono", "SF Mono", Menlo, Consolas, monospace; }
p code { background: var(--soft); padding: .1em .3em; border-radius: .25rem; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .4rem .8rem; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.kind, .label { font-size: .8125rem; color: var(--quiet); margin: 0 0 .3rem; }
.span { color: var(--quiet); margin: .3rem 0 0; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 1.25rem 0 0; padding: 0; font-size: .9375rem; }
nav a { text-underline-offset: .25em; text-decoration-thickness: 1px; }
section { margin-top: 3.25rem; scroll-margin-top: 1rem; }
.lead { color: var(--quiet); max-width: 46rem; }
.consumer, .quiet { color: var(--quiet); font-weight: 400; }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--quiet); font-size: .875rem; }

.verdict { display: flex; gap: clamp(1rem, 3vw, 1.75rem); margin-top: 2rem; padding: clamp(1.1rem, 3vw, 2rem); background: var(--card); border: 1px solid var(--line); border-radius: .9rem; --tone: var(--wait); }
.verdict.safe { --tone: var(--good); }
.verdict.unsafe { --tone: var(--bad); }
.verdict > div { min-width: 0; }
.verdict h2 { font-size: inherit; margin: 0; }
.verdict .label { display: block; font-weight: 400; }
.word { font-size: clamp(1.6rem, 6vw, 2.5rem); font-weight: 700; letter-spacing: .01em; color: var(--tone); line-height: 1.1; }
.meaning { font-size: 1.125rem; margin: .35rem 0 1rem; }
.sign { flex: none; align-self: flex-start; width: clamp(2.2rem, 7vw, 3.5rem); fill: none; stroke: var(--tone); stroke-width: 2.5; stroke-linecap: round; stroke-linejoin: round; }
.sign path { stroke-width: 3.5; }
@media (max-width: 40rem) { .verdict { flex-direction: column; gap: .75rem; } }
.reasons { margin: 0; padding-left: 1.25rem; }
.reasons li { margin-bottom: .5rem; padding-left: .25rem; }
.reasons strong { display: block; font-weight: 620; }

.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 1rem; margin: 1.75rem 0 0; }
.figures dt { color: var(--quiet); font-size: .875rem; }
.figures dd { margin: 0; font-size: 1.5rem; font-weight: 600; letter-spacing: -0.01em; font-variant-numeric: tabular-nums; }

table { overflow-wrap: normal; border-collapse: collapse; width: 100%; font-size: .9375rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 620; padding: .75rem 0 .35rem; }
th, td { text-align: left; vertical-align: top; padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line); }
td, tbody th, summary { overflow-wrap: break-word; }
td code, .wide td { overflow-wrap: anywhere; }
thead th { color: var(--quiet); font-size: .8125rem; font-weight: 500; vertical-align: bottom; }
tbody th { font-weight: 500; }
tfoot th, tfoot td { font-weight: 620; border-bottom: 0; }
.number { text-align: right; }
td.number { white-space: nowrap; }
.zero { color: var(--quiet); opacity: .8; }
.wide { overflow-x: auto; }
.wide table { min-width: 32rem; }
.wide td, .wide th { max-width: 34rem; }
.note { display: block; color: var(--quiet); font-size: .8125rem; font-weight: 400; white-space: normal; }
.note.bad { color: var(--bad); }
.strata .event { display: block; }
.strata td { white-space: nowrap; }
.strata thead th:nth-child(n+3):not(:nth-child(6)) { text-align: right; }
.strata { margin-bottom: 2rem; }
progress { appearance: none; -webkit-appearance: none; width: 6.5rem; height: .5rem; border: 0; border-radius: 1rem; background: var(--line); overflow: hidden; vertical-align: .1rem; margin-right: .4rem; color: var(--wait); }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--wait); border-radius: 1rem; }
progress::-moz-progress-bar { background: var(--wait); }
.safe progress::-webkit-progress-value { background: var(--good); }
.safe progress::-moz-progress-bar { background: var(--good); }
.unsafe progress { background: var(--bad); }
.unsafe progress::-webkit-progress-bar { background: var(--bad); }
.safe .progress span { color: var(--good); }
.unsafe .progress span { color: var(--bad); }
@media (max-width: 52rem) {
  .strata thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  .strata, .strata tbody, .strata tr, .strata th, .strata td { display: block; border: 0; padding: 0; text-align: left; }
  .strata tbody { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: .8rem 1rem; margin-bottom: .75rem; }
  .strata tbody th { margin-bottom: .4rem; font-weight: 620; }
  .strata tr + tr { margin-top: .6rem; padding-top: .6rem; border-top: 1px solid var(--line); }
  .strata td { display: flex; gap: 1rem; justify-content: space-between; padding: .15rem 0; }
  .strata td::before { content: attr(data-label); color: var(--quiet); flex: none; }
  .strata td > * { text-align: right; white-space: normal; }
  .strata td.progress::before { margin-right: auto; }
}

.chart { display: block; overflow: visible; }
.chart text { font-size: 11px; fill: var(--quiet); font-variant-numeric: tabular-nums; }
.tick { text-anchor: middle; }
.base { stroke: var(--quiet); stroke-width: 1; }
.rule, .grid { stroke: var(--line); stroke-width: 1; }
.budget { stroke: var(--wait); stroke-width: 1.5; stroke-dasharray: 4 3; }
.gap { fill: url(#hatch); }
.hatch { stroke: var(--wait); stroke-width: 2; opacity: .6; }
.of-callback { fill: var(--callback); }
.of-event { fill: var(--event); }
.o-match { fill: var(--match); } .o-mismatch { fill: var(--mismatch); } .o-missingEvent { fill: var(--missingEvent); }
.o-missingCallback { fill: var(--missingCallback); } .o-duplicate { fill: var(--duplicate); } .o-late { fill: var(--late); }
.o-refused { fill: var(--refused); } .o-invalid { fill: var(--invalid); } .o-outOfOrder { fill: var(--outOfOrder); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: .75rem 0; padding: 0; font-size: .875rem; color: var(--quiet); }
.legend svg, .percentiles svg { margin-right: .4rem; }
.legend b { color: var(--ink); font-weight: 600; }
.latencies { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 2rem 2.5rem; }
.latencies article { min-width: 0; }
.percentiles { margin-top: .5rem; font-size: .875rem; }
.percentiles td, .percentiles th { padding: .3rem .4rem .3rem 0; }
@media (max-width: 40rem) { .tick.second { display: none; } .percentiles { font-size: .8125rem; } }

.findings, .rows { list-style: none; margin: 1rem 0 0; padding: 0; }
.finding { padding: 1rem 1.2rem; margin-bottom: .75rem; background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--line); border-radius: .6rem; }
.finding.bad { border-left-color: var(--bad); }
.finding h3 { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem .75rem; }
.finding p { max-width: 56rem; }
.finding p:last-child { margin: 0; }
.count { font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.evidence { margin-left: auto; color: var(--quiet); font-size: .8125rem; font-weight: 400; }
.bad .evidence { color: var(--bad); }
.todo b { font-weight: 620; margin-right: .25rem; }
.examples, .where { color: var(--quiet); font-size: .875rem; }
.examples span { display: block; }
.chip { display: inline-block; border: 1px solid currentColor; border-radius: 1rem; padding: 0 .6rem; font-size: .8125rem; font-weight: 500; line-height: 1.5; white-space: nowrap; }
.c-mismatch { color: var(--mismatch); } .c-missingEvent { color: var(--missingEvent); } .c-missingCallback { color: var(--missingCallback); }
.c-duplicate { color: var(--duplicate); } .c-late { color: var(--late); } .c-refused { color: var(--refused); }
.c-invalid { color: var(--invalid); } .c-outOfOrder { color: var(--outOfOrder); }

.filters { display: flex; flex-wrap: wrap; gap: .75rem 1.25rem; align-items: end; margin: 1rem 0; }
.filters label { display: grid; gap: .2rem; font-size: .875rem; color: var(--quiet); max-width: 100%; }
.filters .words { flex: 1 1 16rem; }
.filters .check { display: flex; align-items: center; gap: .5rem; min-height: 2.5rem; color: var(--ink); }
input, select, button { font: inherit; color: inherit; }
input[type="search"], select { color: var(--ink); background: var(--card); border: 1px solid var(--quiet); border-radius: .45rem; padding: .4rem .6rem; min-height: 2.5rem; width: 100%; }
input[type="checkbox"] { width: 1.1rem; height: 1.1rem; accent-color: var(--link); }
button { background: var(--card); border: 1px solid var(--quiet); border-radius: .45rem; padding: .5rem 1.25rem; min-height: 2.5rem; margin-top: 1rem; cursor: pointer; }
button:hover { background: var(--soft); }
#shown { color: var(--quiet); font-size: .875rem; margin: 0; }
.rows li { border-bottom: 1px solid var(--line); }
.rows summary { display: grid; grid-template-columns: 9.5rem minmax(0, 17.5rem) minmax(0, 1fr) auto; gap: .1rem 1rem; align-items: baseline; padding: .6rem .25rem; cursor: pointer; list-style: none; }
.rows summary::-webkit-details-marker { display: none; }
.rows summary:hover { background: var(--soft); }
.rows summary .chip { justify-self: start; }
.rows .job { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--quiet); }
.rows time { color: var(--quiet); font-size: .875rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
.rows time::after { content: "\\25B8"; margin-left: .6rem; }
.rows details[open] time::after { content: "\\25BE"; }
.rows .says { grid-column: 2 / -1; color: var(--quiet); font-size: .875rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.rows details[open] .says { display: none; }
.rows details > :not(summary) { margin-left: calc(9.5rem + 1.25rem); }
.rows details[open] { padding-bottom: .75rem; }
.rows .wide { margin-bottom: .75rem; }
.rows .wide table { min-width: 0; }
@media (max-width: 52rem) {
  .rows summary { grid-template-columns: auto 1fr; }
  .rows summary time { justify-self: end; grid-column: 2; grid-row: 1; }
  .rows summary .of, .rows summary .job, .rows summary .says { grid-column: 1 / -1; }
  .rows details > :not(summary) { margin-left: .25rem; }
  .evidence { margin-left: 0; }
}
@media (max-width: 23rem) { .percentiles td, .rows summary time { white-space: normal; text-align: right; } }
details > summary { cursor: pointer; }
.doubts { color: var(--wait); padding-left: 1.25rem; }
@media print { nav, .filters, button { display: none; } body { max-width: none; padding: 0; } section { break-inside: avoid-page; } }
`;
