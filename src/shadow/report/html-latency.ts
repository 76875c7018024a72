/** How long the callbacks took, and how long after them the events came: one drawing per stratum, all on one axis. */
import { type Bar, latencySketch } from '../latency.js';
import { thousands } from '../quantities.js';
import type { RunSummary, StratumLatencies } from '../run-summary.js';
import { describeSkew } from '../skew.js';
import { type Percentiles, percentilesOf, shortTime } from './figures.js';
import { across, html, type Markup } from './markup.js';
import { latencyTicks, onLatencyAxis } from './ticks.js';

const BARS = 72;
/** Pixels. */
const HALF = 56;
const MIDDLE = 8 + HALF;
const AXIS = MIDDLE + HALF + 8;
const HEIGHT = AXIS + 18;

interface Axis {
  readonly from: number;
  readonly to: number;
  share(ms: number): number;
}

export function latencySection({ latencies, budgetMs, skew }: RunSummary): Markup {
  const measured = latencies.filter(({ callback, lag }) => callback.min !== null || lag.min !== null);
  const clock =
    skew === null
      ? undefined
      : html`<p class="clock">${describeSkew('the callbacks', 'the events', skew)}</p>`;
  const nothing = html`<p>No leg with a callback has closed yet.</p>`;
  const axis = axisOf(measured, budgetMs);
  return html`<section id="latency" aria-labelledby="latency-heading">
<h2 id="latency-heading">How long it takes</h2>
<p class="lead">Above the line, how long the receiver took to answer a callback. Below it, how long after the callback the event came; left of 0 the event was first. ${budgetMs === null ? undefined : `Dashed: the budget of ${shortTime(budgetMs)}.`}</p>
${clock}
${measured.length === 0 ? nothing : html`<div class="latencies">${measured.map((one) => figure(one, axis, budgetMs))}</div>`}
</section>`;
}

function axisOf(all: readonly StratumLatencies[], budgetMs: number | null): Axis {
  const ends = all.flatMap(({ callback, lag }) => [callback.min, callback.max, lag.min, lag.max]);
  const known = [0, 10, ...(budgetMs === null ? [] : [budgetMs]), ...ends.filter((end) => end !== null)];
  const from = Math.min(...known);
  const to = Math.max(...known) * 1.2;
  const [left, right] = [onLatencyAxis(from), onLatencyAxis(to)];
  return { from, to, share: (ms) => (onLatencyAxis(ms) - left) / (right - left) };
}

function figure(
  { eventType, consumer, callback, lag }: StratumLatencies,
  axis: Axis,
  budgetMs: number | null,
) {
  const name = `${eventType} × ${consumer}`;
  const paths = [
    { label: 'Callback', path: 'callback', figures: percentilesOf(callback) },
    { label: 'Event', path: 'event', figures: percentilesOf(lag) },
  ] as const;
  const budget =
    budgetMs === null
      ? undefined
      : html`<line class="budget" x1="${across(axis.share(budgetMs))}" x2="${across(axis.share(budgetMs))}" y1="${MIDDLE}" y2="${AXIS}"/>`;
  const summary = paths
    .map(({ label, figures: { p50, p99 } }) => `${label} p50 ${shortTime(p50)}, p99 ${shortTime(p99)}`)
    .join('; ');
  return html`<article>
<h3>${eventType} <span class="consumer">× ${consumer}</span></h3>
<svg class="chart" role="img" aria-label="${name}. ${summary}." width="100%" height="${HEIGHT}">
${latencyTicks(axis.from, axis.to).map(
  ({ at, label }) =>
    html`<line class="grid" x1="${across(axis.share(at))}" x2="${across(axis.share(at))}" y1="8" y2="${AXIS}"/><text class="tick" x="${across(axis.share(at))}" y="${AXIS + 14}">${label}</text>`,
)}
${bars(latencySketch(callback).histogram(BARS), axis, 'callback')}
${bars(latencySketch(lag).histogram(BARS), axis, 'event')}
<line class="base" x1="0" x2="100%" y1="${MIDDLE}" y2="${MIDDLE}"/>${budget}
</svg>
<table class="percentiles"><thead><tr><th scope="col"><span class="unseen">Path</span></th>${['p50', 'p90', 'p99', 'longest', 'legs'].map((head) => html`<th scope="col" class="number">${head}</th>`)}</tr></thead>
<tbody>${paths.map(({ label, path, figures }) => percentilesRow(name, label, path, figures))}</tbody></table>
</article>`;
}

function percentilesRow(
  stratum: string,
  label: string,
  path: 'callback' | 'event',
  figures: Percentiles,
): Markup {
  const cell = (name: string, value: string) =>
    html`<td class="number" data-percentile="${stratum}, ${path}, ${name}">${value}</td>`;
  const { p50, p90, p99, max, count } = figures;
  return html`<tr><th scope="row"><svg width="10" height="10" aria-hidden="true"><rect class="of-${path}" width="10" height="10" rx="2"/></svg>${label}</th>${cell('p50', shortTime(p50))}${cell('p90', shortTime(p90))}${cell('p99', shortTime(p99))}${cell('max', shortTime(max))}${cell('count', thousands(count))}</tr>`;
}

function bars(all: readonly Bar[], axis: Axis, path: 'callback' | 'event'): Markup {
  const most = all.reduce((largest, { count }) => Math.max(largest, count), 1);
  return html`${all
    .filter(({ count }) => count > 0)
    .map(({ from, to, count }) => {
      const x = axis.share(from);
      const width = Math.max(0.0035, axis.share(to) - x);
      const height = Math.max(1.5, Math.sqrt(count / most) * HALF);
      const y = path === 'callback' ? MIDDLE - height : MIDDLE;
      return html`<rect class="of-${path}" x="${across(x)}" width="${across(width)}" y="${Math.round(y * 10) / 10}" height="${Math.round(height * 10) / 10}"><title>${shortTime(from)} to ${shortTime(to)}: ${thousands(count)}</title></rect>`;
    })}`;
}
