import { expect, test } from 'vitest';
import { DEFAULT_LIMITS, decideStep, type RolloutSignals } from '../../src/migration/rollout-decision.js';

type Shadow = Extract<RolloutSignals['shadow'], { known: true }>['value'];
type Queues = Extract<RolloutSignals['queues'], { known: true }>['value'];

const UNKNOWN = { known: false, why: 'nobody answers', todo: 'Look.' } as const;
const shadow = (more: Partial<Shadow> = {}): RolloutSignals['shadow'] => ({
  known: true,
  value: { verdict: 'SAFE', legs: 0, bad: 0, ...more },
});
const queues = (deadLetterGrowth = 0, ready = 0): RolloutSignals['queues'] => ({
  known: true,
  value: { deadLetterGrowth, fullest: { queue: 'notifications', ready } } satisfies Queues,
});

const LIMITS = { deadLetterGrowth: 2, lag: 100, errorRate: 0.05 };

test.each<[string, RolloutSignals['shadow'], RolloutSignals['queues'], string]>([
  ['all is well', shadow(), queues(), 'go'],
  ['the verdict is UNSAFE', shadow({ verdict: 'UNSAFE' }), queues(), 'back'],
  ['the verdict is UNSAFE and the broker away', shadow({ verdict: 'UNSAFE' }), UNKNOWN, 'back'],
  ['the verdict is INCONCLUSIVE', shadow({ verdict: 'INCONCLUSIVE' }), queues(), 'pause'],
  ['as many dead letters as may be came', shadow(), queues(2), 'go'],
  ['one dead letter more came', shadow(), queues(3), 'back'],
  ['dead letters came and the run is away', UNKNOWN, queues(3), 'back'],
  ['dead letters came and nothing is shown yet', shadow({ verdict: 'INCONCLUSIVE' }), queues(3), 'back'],
  ['few legs closed, all of them bad', shadow({ legs: 19, bad: 19 }), queues(), 'go'],
  ['enough legs closed, too many of them bad', shadow({ legs: 20, bad: 2 }), queues(), 'back'],
  ['enough legs closed, as many bad as may be', shadow({ legs: 20, bad: 1 }), queues(), 'go'],
  [
    'many bad legs while nothing is shown yet',
    shadow({ verdict: 'INCONCLUSIVE', legs: 20, bad: 2 }),
    queues(),
    'back',
  ],
  ['as many messages wait as may', shadow(), queues(0, 100), 'go'],
  ['one message more waits', shadow(), queues(0, 101), 'pause'],
  ['the run is away', UNKNOWN, queues(), 'pause'],
  ['the broker is away', shadow(), UNKNOWN, 'pause'],
  ['both are away', UNKNOWN, UNKNOWN, 'pause'],
])('where %s', (_, ofShadow, ofQueues, action) => {
  const decision = decideStep({ shadow: ofShadow, queues: ofQueues }, LIMITS);
  expect(decision.action).toBe(action);
  expect(decision.reasons.length > 0).toBe(action !== 'go');
});

test('every reason of an action is told, in words that name what to look at', () => {
  const { reasons } = decideStep(
    { shadow: shadow({ verdict: 'UNSAFE', legs: 40, bad: 10 }), queues: queues(3, 5_000) },
    LIMITS,
  );
  expect(reasons).toEqual([
    expect.stringContaining('UNSAFE (atma-events shadow report'),
    expect.stringMatching(/^10 of 40 legs since this step began are bad, more than 5 %/),
    expect.stringMatching(/^3 dead letters more than when the rollout began, and 2 may come/),
  ]);
  expect(decideStep({ shadow: UNKNOWN, queues: queues(0, 5_000) }, LIMITS).reasons).toEqual([
    'nobody answers. Look.',
    '5000 messages wait in notifications, more than 100',
  ]);
});

test('by default no dead letter may come, a thousand messages may wait, and one leg in a hundred be bad', () => {
  expect(DEFAULT_LIMITS).toEqual({ deadLetterGrowth: 0, lag: 1_000, errorRate: 0.01 });
});

test('without any queue nothing waits', () => {
  const none = { known: true, value: { deadLetterGrowth: 0, fullest: undefined } } as const;
  expect(decideStep({ shadow: shadow(), queues: none }, LIMITS).action).toBe('go');
});
