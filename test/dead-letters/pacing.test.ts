import { describe, expect, it } from 'vitest';
import { Canary } from '../../src/dead-letters/canary.js';
import { Pacer } from '../../src/dead-letters/pacer.js';

describe('a pace', () => {
  /** Sends `count` messages, with a clock that only pauses move. Returns milliseconds and grants. */
  async function send(count: number, rate: number | undefined, signal?: AbortSignal) {
    let clock = 0;
    const pause = async (ms: number) => {
      clock += ms;
    };
    const pacer = new Pacer(rate, { now: () => clock, pause, signal });
    const grants: number[] = [];
    for (let left = count; left > 0; left -= grants.at(-1) ?? left) grants.push(await pacer.take(left));
    return { clock, grants };
  }

  it('is kept in slices of a twentieth of a second', async () => {
    const { clock, grants } = await send(200, 100);
    expect(clock).toBeCloseTo(1_950);
    expect(grants).toEqual(Array.from({ length: 40 }, () => 5));
  });

  it('may be less than one message a second', async () => {
    expect(await send(3, 0.5)).toEqual({ clock: 4_000, grants: [1, 1, 1] });
  });

  it('holds nothing back without a rate, or once aborted', async () => {
    expect(await send(500, undefined)).toEqual({ clock: 0, grants: [500] });
    expect(await send(500, 1, AbortSignal.abort())).toEqual({ clock: 0, grants: [500] });
  });
});

describe('a canary', () => {
  async function watch(deaths: number, waiting: number, maxDeathRate?: number, untaken = 0) {
    let paused = 0;
    const canary = new Canary(
      { first: 10, watchMs: 1_000, ...(maxDeathRate !== undefined && { maxDeathRate }) },
      {
        pause: async (ms) => {
          paused += ms;
        },
        signal: undefined,
        deaths: () => deaths,
        waiting: async () => waiting,
        untaken: async () => untaken,
      },
    );
    canary.sent(10);
    return { verdict: await canary.watch(), paused, canary };
  }

  it('stops when what it sent was not taken, and counts no more of it than it sent', async () => {
    expect((await watch(0, 0, undefined, 1)).verdict).toMatchObject({ goOn: true, untaken: 1 });
    expect((await watch(0, 0, undefined, 2)).verdict).toMatchObject({ goOn: false, untaken: 2 });
    expect((await watch(0, 0, 1, 5_000)).verdict).toMatchObject({ goOn: true, untaken: 10 });
  });

  it.each([
    [0, 0, undefined, true],
    [1, 0, undefined, true],
    [2, 0, undefined, false],
    [1, 1, undefined, false],
    [0, 2, undefined, false],
    [1, 0, 0, false],
    [10, 10, 1, false],
    [5, 5, 1, true],
  ])(
    'of ten with %i dead and %i waiting, at a rate of %s, goes on: %s',
    async (died, waiting, rate, goOn) => {
      const { verdict } = await watch(died, waiting, rate);
      expect(verdict).toEqual({ goOn, replayed: 10, died, waiting, untaken: 0 });
    },
  );

  it('is watched for all of its time while it may live, and no longer than needed when it is dead', async () => {
    expect((await watch(0, 0)).paused).toBeCloseTo(1_000);
    expect((await watch(5, 0)).paused).toBeCloseTo(50);
  });

  it('is followed by twice as many', async () => {
    const { canary } = await watch(0, 0);
    expect(canary.left).toBe(20);
    expect(canary.isUnwatched).toBe(false);
  });
});
