/** A look at a rehearsal while it goes on. */
import type { Leg, NotedEffect } from './facts.js';
import type { Scene } from './scene.js';

export interface RehearsalLive {
  readonly leg: Leg;
  /** The latest. */
  readonly verdict: string | undefined;
  /** Driven so far. */
  readonly jobs: number;
  /** Noted so far. */
  readonly effects: number;
  /** Facts without all their effects: the lag. */
  readonly open: number;
  /** The effect that was noted last. */
  readonly latest: NotedEffect | undefined;
  /** Services that are not well, and what they answered. */
  readonly unwell: readonly string[];
}

/** Each field is what it is at the moment in which it is read. */
export function liveOf({ book, health, where }: Pick<Scene, 'book' | 'health' | 'where'>): RehearsalLive {
  return {
    get leg() {
      return where.leg;
    },
    get verdict() {
      return where.verdict;
    },
    get jobs() {
      return book.jobs.size;
    },
    get effects() {
      return book.effects();
    },
    get open() {
      return book.open();
    },
    get latest() {
      return book.latest();
    },
    get unwell() {
      return [...health.state].filter(([, { well }]) => !well).map(([name, { text }]) => `${name}: ${text}`);
    },
  };
}
