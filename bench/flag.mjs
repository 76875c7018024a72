/** What a decision of the migration flag costs: all jobs in one stage, a part of them, and flagd asked directly. */
import { FlagdCore, MemoryStorage } from '@openfeature/flagd-core';
import { readFlag, writeFlag } from '../dist/migration/flag-document.js';
import { median } from './stats.mjs';

/** A fact is decided once; 2 microseconds are nothing beside sending it. */
const GOAL_US = 2;

const STATE = {
  stage: 'live',
  percent: 100,
  samplePercent: 10,
  epoch: 7,
  changedAt: '2026-03-01T02:00:00.000Z',
  changedBy: 'bench',
  reason: 'measuring',
  audit: null,
};

export async function measureFlag({ quick, log }) {
  const rounds = quick ? 5 : 20;
  const perRound = quick ? 100_000 : 500_000;
  const jobs = Array.from({ length: 1_024 }, () => crypto.randomUUID());

  const flagd = flagdOf(writeFlag(undefined, { ...STATE, percent: 25 }));
  const direct = (job) =>
    flagd.resolveStringEvaluation('migration-stage', 'shadow', { targetingKey: job }).value;
  const ours = (change) => {
    const flag = readFlag(writeFlag(undefined, { ...STATE, ...change }));
    return (job) => flag.decide(job).stage;
  };
  const sides = [
    { what: 'a decision, all jobs in live', decide: ours({}) },
    { what: 'a decision, live for 25 % of the jobs', decide: ours({ percent: 25 }), rivalled: true },
    { what: 'a decision, rampdown for all, with its sample', decide: ours({ stage: 'rampdown' }) },
    {
      what: 'a decision, complete for 1 % of the jobs, the others with their sample',
      decide: ours({ stage: 'complete', percent: 1 }),
    },
  ].map((side) => ({ ...side, times: [] }));
  const rival = [];

  for (const { decide } of [...sides, { decide: direct }]) time(decide, jobs, perRound); // warm up
  for (let round = 1; round <= rounds; round++) {
    for (const { decide, times } of sides) times.push(time(decide, jobs, perRound));
    rival.push(time(direct, jobs, perRound));
  }
  log(`flag: ${rounds} rounds of ${perRound} decisions`);
  return sides.map(({ what, times, rivalled }) => ({
    bench: 'flag',
    what,
    unit: ' us',
    ours: median(times),
    ...(rivalled && { rival: median(rival), rivalName: 'flagd-core, called directly' }),
    goal: { on: 'ours', is: 'under', value: GOAL_US },
  }));
}

/** Microseconds per decision, of processor time: whatever else the machine does, a decision waits for nothing. */
function time(decide, jobs, count) {
  let live = 0;
  const begun = process.cpuUsage();
  for (let n = 0; n < count; n++) if (decide(jobs[n & 1_023]) === 'live') live++;
  const { user, system } = process.cpuUsage(begun);
  // Used, so that nothing of it is left out as useless.
  if (live > count) throw new Error('impossible');
  return (user + system) / count;
}

function flagdOf(text) {
  const silent = { error() {}, warn() {}, info() {}, debug() {} };
  const storage = new MemoryStorage(silent);
  storage.setConfigurations(text, true);
  return new FlagdCore(storage, silent);
}
