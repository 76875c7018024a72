/** `shadow compare` of files of any size, as a process of its own: observations per second, and peak memory. */
import { mkdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { measureCli } from './measured-cli.mjs';
import { missingOf, writeRecordings } from './shadow-traffic.mjs';

const GOAL = { perSecond: 100_000, peakMB: 300 };
/** The two files, generously. */
const BYTES_PER_FACT = 1_500;
const DAYS = 30;

export function measureShadow(context) {
  return measure(context, context.quick ? 100_000 : 1_000_000);
}

/** Ten times as many facts in the same memory. Not part of a whole run: it writes 12 GB and takes some ten minutes. */
export function measureShadowLarge(context) {
  return measure(context, context.quick ? 1_000_000 : 10_000_000);
}

async function measure({ folder, defer, log }, facts) {
  requireRoom(folder, facts * BYTES_PER_FACT);
  const directory = join(folder, `shadow-${facts}`);
  mkdirSync(directory);
  const files = { callbacks: join(directory, 'callbacks.jsonl'), events: join(directory, 'events.jsonl') };
  await writeRecordings(files, facts, DAYS);
  log(`shadow: ${facts.toLocaleString('en')} facts written`);
  const recordings = ['--callbacks', 'callbacks.jsonl', '--events', 'events.jsonl'];
  const args = ['shadow', 'compare', ...recordings, '--budget', '5s', '--json'];
  // Any verdict will do: what is counted is checked.
  const { out, elapsed, peakBytes } = await measureCli(directory, args, defer, [0, 4, 6]);
  const report = JSON.parse(out);
  check(report, facts);
  rmSync(directory, { recursive: true });
  const what = `shadow compare, ${facts.toLocaleString('en')} facts`;
  return [
    {
      bench: 'shadow',
      what: `${what}, observations, whole process`,
      unit: '/s',
      ours: (report.observations / elapsed) * 1_000,
      goal: { on: 'ours', is: 'at least', value: GOAL.perSecond },
    },
    {
      bench: 'shadow',
      what: `${what}, peak memory`,
      unit: ' MB',
      ours: peakBytes / 1e6,
      goal: { on: 'ours', is: 'under', value: GOAL.peakMB },
    },
  ];
}

/** A comparison that is fast and wrong is no comparison. */
function check({ observations, legs }, facts) {
  const missing = missingOf(facts) * 2;
  const expected = { observations: facts * 4 - missing, match: facts * 2 - missing, missingEvent: missing };
  const found = { observations, match: legs.match, missingEvent: legs.missingEvent };
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`found ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`);
  }
}

function requireRoom(folder, bytes) {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize > bytes) return;
  throw new Error(`${folder} has no room for ${Math.ceil(bytes / 1e9)} GB: set TMPDIR to a folder that has`);
}
