/** The worked values of the verdict, through the built command: SAFE with exactly so many legs, and not with one less. */
import { describe, expect, it } from 'vitest';
import { CONSUMERS, createBook, makeJob, mulberry32, START } from '../shadow/traffic.js';
import { type CompareDocument, recordingsOf } from './shadow-recordings.js';

/** Without failures: their strata are waived. */
const POLICY = {
  preset: 'atma',
  shadowPolicy: {
    strata: CONSUMERS.map((consumer) => ({
      eventType: 'analysis.failed',
      consumer,
      waiver: { who: 'Rina', when: '2024-01-01', why: 'rare' },
    })),
  },
};

/** So many completed jobs; the first ones have another result in the event. */
async function judged(legs: number, bad: number) {
  const random = mulberry32(1);
  const book = createBook();
  for (let index = 0; index < legs; index++) {
    const job = makeJob(START + index * 1_000, random);
    book.started(job);
    for (const consumer of CONSUMERS) book.callback(job, consumer, 'completed');
    book.event(job, 'completed', index < bad ? { body: { resultId: job.uuid() } } : {});
  }
  const recordings = recordingsOf(book.traffic());
  recordings.write('atma-events.config.json', JSON.stringify(POLICY));
  const { exitCode, stdout } = await recordings.compare(['--json']);
  const { verdict, strata }: CompareDocument = JSON.parse(stdout);
  const completed = strata.filter(({ eventType }) => eventType === 'analysis.completed');
  return {
    exitCode,
    verdict,
    completed: completed.map((each) => [each.legs, each.bad, each.neededCleanLegs]),
  };
}

describe('with bad legs', () => {
  it.each([
    [0, 3_327],
    [1, 5_885],
    [2, 8_443],
    [3, 11_001],
  ])(
    '%i of them, %i legs are SAFE',
    async (bad, legs) => {
      const enough = [legs, bad, 0];
      expect(await judged(legs, bad)).toEqual({
        exitCode: 0,
        verdict: 'SAFE',
        completed: [enough, enough],
      });
      const oneLess = [legs - 1, bad, 1];
      expect(await judged(legs - 1, bad)).toEqual({
        exitCode: 6,
        verdict: 'INCONCLUSIVE',
        completed: [oneLess, oneLess],
      });
    },
    60_000,
  );
});
