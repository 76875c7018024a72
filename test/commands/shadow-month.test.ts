/** A simulated month through the built command: every planted fault is found, classified and counted; a clean one has none. */
import { expect, it } from 'vitest';
import { EVERY_PLANT, type PlantName } from '../shadow/plants.js';
import { planted } from '../shadow/scene.js';
import { generateTraffic, type Line, START } from '../shadow/traffic.js';
import { beyondBudget, type CompareDocument, foundIn, recordingsOf } from './shadow-recordings.js';

/** A failure is a tenth of all outcomes: SAFE by the usual p0 would need ten times this traffic. */
const POLICY = {
  preset: 'atma',
  shadowPolicy: {
    budget: '5s',
    strata: ['notification', 'assessment'].map((consumer) => ({
      eventType: 'analysis.failed',
      consumer,
      tolerated: 0.005,
    })),
  },
};
const CLEAN = { seed: 41, days: 30, jobs: 8_000 };

function sum(counts: { readonly [name: string]: number }): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function expectClean(document: CompareDocument): void {
  expect(document.legs).toEqual({
    match: 4 * CLEAN.jobs,
    mismatch: 0,
    missingEvent: 0,
    missingCallback: 0,
    extra: 0,
    duplicate: 0,
    late: 0,
    refused: 0,
    invalid: 0,
    outOfOrder: 0,
    pending: 0,
  });
  expect(document).toMatchObject({ verdict: 'SAFE', findings: [], unmapped: [], gaps: [] });
  expect(beyondBudget(document)).toEqual({});
  for (const stratum of document.strata) expect(stratum).toMatchObject({ bad: 0, neededCleanLegs: 0 });
}

it('a month without a fault has none: SAFE, exit 0', async () => {
  const traffic = generateTraffic(CLEAN);
  const recordings = recordingsOf(traffic);
  recordings.write('atma-events.config.json', JSON.stringify(POLICY));
  const { exitCode, stdout, stderr } = await recordings.compare(['--json']);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const document: CompareDocument = JSON.parse(stdout);
  expectClean(document);
  expect(foundIn(document)).toEqual(planted(traffic));
  expect(document).toMatchObject({ windowMs: 60_000, budgetMs: 5_000 });
}, 60_000);

it('a month whose legs are all open at once, more than there is room for in memory, has none either', async () => {
  const recordings = recordingsOf(generateTraffic(CLEAN));
  recordings.write('atma-events.config.json', JSON.stringify(POLICY));
  expectClean(await recordings.document(['--window', '31d']));
}, 60_000);

/** Another number of each, so that what is missing in one place cannot be made up for in another. */
const FAULTS = Object.fromEntries(EVERY_PLANT.map((name, index) => [name, 1 + (index % 7)])) as Record<
  PlantName,
  number
>;

it('a month with every fault has each of them, counted exactly: UNSAFE, exit 4', async () => {
  const traffic = generateTraffic({ seed: 42, days: 30, jobs: 3_000, faults: FAULTS });
  const recordings = recordingsOf(traffic);
  const { exitCode, stdout } = await recordings.compare(['--json', '--budget', '5s', '--window', '60s']);
  expect(exitCode).toBe(4);
  const document: CompareDocument = JSON.parse(stdout);
  expect(foundIn(document)).toEqual(planted(traffic));
  expect(beyondBudget(document)).toEqual(Object.fromEntries(traffic.expected.beyondBudget));
  expect(document.legs).toMatchObject({ extra: traffic.expected.extra, pending: 0 });
  expect(document.verdict).toBe('UNSAFE');
  const { extra = 0, match = 0, ...others } = document.legs;
  expect(extra).toBe(traffic.expected.extra);
  expect(sum(Object.fromEntries(traffic.expected.legs))).toBe(match + sum(others));
  // Each leg that is not in order has a cause that says what to do.
  expect(document.findings.reduce((total, { count }) => total + count, 0)).toBe(sum(others));
  for (const { says, fix } of document.findings) expect([says, fix]).not.toContain('');
}, 60_000);

it('a month with one of each fault among many jobs is told by the window that it finds itself', async () => {
  const once = Object.fromEntries(EVERY_PLANT.map((name) => [name, 1]));
  const traffic = generateTraffic({ seed: 43, days: 30, jobs: 6_000, faults: once });
  const document = await recordingsOf(traffic).document(['--budget', '5s']);
  expect(document.windowMs).toBe(60_000);
  expect(foundIn(document)).toEqual(planted(traffic));
}, 60_000);

const DAY = 86_400_000;

it('a month in which the events were not recorded for a day, as the file says, has no evidence of that day: exit 6', async () => {
  const traffic = generateTraffic({ seed: 44, days: 30, jobs: 3_000 });
  const [from, to] = [START + 10 * DAY, START + 11 * DAY];
  const unseen = ({ at }: Line) => at >= from && at < to;
  const gap = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
  const events = [
    ...traffic.events.filter(({ at }) => at < from),
    { at: from, record: { gap } },
    ...traffic.events.filter(({ at }) => at >= to),
  ];
  const recordings = recordingsOf({ ...traffic, events });
  const { exitCode, stdout } = await recordings.compare(['--json']);
  expect(exitCode).toBe(6);
  const document: CompareDocument = JSON.parse(stdout);
  // Each event would have gone to both consumers.
  const missed = 2 * traffic.events.filter(unseen).length;
  expect(missed).toBeGreaterThan(300);
  expect(document.legs).toMatchObject({ missingEvent: missed, match: 4 * 3_000 - missed, pending: 0 });
  expect(document.strata.map(({ bad }) => bad)).toEqual([0, 0, 0, 0, 0, 0]);
  expect(document).toMatchObject({ verdict: 'INCONCLUSIVE', gaps: [{ source: 'events', ...gap }] });
  for (const { says } of document.findings) expect(says).toContain('the recording of events has a gap there');
}, 60_000);
