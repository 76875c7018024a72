import { describe, expect, it } from 'vitest';
import { createFactBook, type EffectPath, isSettled, type Leg } from '../../src/rehearsal/facts.js';
import { judgeEffects } from '../../src/rehearsal/judge.js';

const ID = '3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b';

/** One job, and effects as `push event`, `status callback`, ... */
function told(
  job: { readonly leg: Leg; readonly fails?: boolean; readonly inFlight?: boolean },
  ...effects: readonly `${'push' | 'status' | 'refund'} ${EffectPath}`[]
) {
  const book = createFactBook();
  const { leg, fails = false, inFlight = false } = job;
  book.add({ id: ID, userId: ID, leg, fails, inFlight });
  const fact = fails ? `analysis.failed:${ID}` : `analysis.completed:${ID}:r`;
  for (const text of effects) {
    const [effect = '', path] = text.split(' ');
    book.note({
      service: effect === 'push' ? 'notification' : 'assessment',
      ...{ fact, effect, path: path === 'event' ? 'event' : 'callback' },
    });
  }
  return { book, judgement: judgeEffects(book.jobs.values(), book.strays) };
}

describe('effects', () => {
  it.each<[Leg, EffectPath]>([
    ['off', 'callback'],
    ['publish', 'callback'],
    ['shadow', 'callback'],
    ['live', 'event'],
    ['rampdown', 'event'],
    ['complete', 'event'],
    ['back', 'callback'],
  ])('in %s are right by %s, once', (leg, path) => {
    const { judgement } = told({ leg }, `push ${path}`, `status ${path}`);
    expect(judgement).toMatchObject({ facts: 1, exactlyOnce: true, problems: [] });
    expect(judgement.effects).toMatchObject({ expected: 2, right: 2 });
  });

  it('of a failed job are three', () => {
    const { judgement } = told({ leg: 'live', fails: true }, 'push event', 'status event');
    expect(judgement.effects).toMatchObject({ expected: 3, right: 2, missing: 1 });
    expect(judgement.problems).toEqual([
      `1 effect did not happen: assessment refund of job ${ID}, driven in live`,
    ]);
  });

  it('that happened on the path that did not count are wrong, unless the flag was moved meanwhile', () => {
    const inDryRun = told({ leg: 'shadow' }, 'push event', 'status callback').judgement;
    expect(inDryRun).toMatchObject({ exactlyOnce: false, effects: { right: 1, wrongPath: 1 } });
    expect(inDryRun.problems[0]).toContain('happened on the path that did not count: notification push');
    const moved = told({ leg: 'live', inFlight: true }, 'push callback', 'status event').judgement;
    expect(moved).toMatchObject({ exactlyOnce: true, effects: { right: 2, byCallback: 1, byEvent: 1 } });
  });

  it('that happened twice are doubled, on one path or on both, also while the flag was moved', () => {
    const { judgement } = told(
      { leg: 'live', inFlight: true },
      'push event',
      'push callback',
      'status event',
    );
    expect(judgement).toMatchObject({ exactlyOnce: false, effects: { right: 1, doubled: 1 } });
    expect(judgement.problems[0]).toContain('(event, callback)');
  });

  it('that their fact does not have are stray', () => {
    const { judgement } = told({ leg: 'live' }, 'push event', 'status event', 'refund event');
    expect(judgement).toMatchObject({ exactlyOnce: false, effects: { right: 2, stray: 1 } });
    expect(judgement.problems[0]).toContain('of no fact: assessment refund');
  });

  it('of a job that nobody drove, or that ended otherwise, are stray', () => {
    const { book } = told({ leg: 'off' });
    book.note({ service: 'assessment', effect: 'status', path: 'callback', fact: `analysis.failed:${ID}` });
    book.note({ service: 'assessment', effect: 'status', path: 'callback', fact: 'analysis.started:x' });
    expect(book.strays).toHaveLength(2);
    expect(judgeEffects(book.jobs.values(), book.strays).exactlyOnce).toBe(false);
  });
});

describe('the book of facts', () => {
  it('counts what is on its way until each effect was there once', () => {
    const { book } = told({ leg: 'off', fails: true }, 'push callback', 'status callback', 'status callback');
    expect(book.open()).toBe(1);
    book.note({ service: 'assessment', effect: 'refund', path: 'callback', fact: `analysis.failed:${ID}` });
    expect([book.open(), book.effects(), [...book.jobs.values()].every(isSettled)]).toEqual([0, 4, true]);
  });
});
