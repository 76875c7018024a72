/** Runs an effect once per key, however often and by however many processes it is asked for. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { EventsError, isEventsError, messageOf } from '../errors.js';
import { callOut } from './call-out.js';
import type { ClaimAnswer, IdempotencyStore } from './idempotency.js';
import { keepLease } from './lease.js';
import { type SetTimer, unrefTimer } from './timer.js';

export interface OnceOptions {
  /**
   * How long after the death of a claimant its key counts as unknown, in milliseconds; renewed at a third of it while
   * the effect runs. Default 60,000.
   */
  readonly leaseMs?: number;
  /** How long to wait for another that has the key, in milliseconds. Default 10,000; 0: not at all. */
  readonly waitMs?: number;
  /** How long it is remembered that the effect happened, in milliseconds. Default 7 days. */
  readonly keepMs?: number;
  /** Whoever had the key died: `fail` with `effect-unknown`, or `run` the effect, maybe for the second time. Default `fail`. */
  readonly ifUnknown?: 'fail' | 'run';
  /** Ends the waiting. An effect that runs is not interrupted; that it happened is noted all the same. */
  readonly signal?: AbortSignal;
}

export interface OnceSettings extends OnceOptions {
  /** Who claims, for the people who will look into it: kept with each claim and told in errors. Default ''. */
  readonly claimant?: string;
  /** Told each time that what happened could not be noted (a full disk, say); it is tried again. Must not throw. */
  readonly onTrouble?: (error: unknown, key: string) => void;
  /** Milliseconds, for measuring how long was waited. Default `performance.now`. */
  readonly now?: () => number;
  /** 0 to 1, spreads those who wait for one key. Default `Math.random`. */
  readonly random?: () => number;
  /** A text per claim that no other claim of any process has. */
  readonly token?: () => string;
  readonly setTimer?: SetTimer;
}

/** `ran: false`: it had happened before, at `doneAt` (milliseconds since 1970), and did not happen again. */
export type OnceResult<T> =
  | { readonly ran: true; readonly value: T }
  | { readonly ran: false; readonly doneAt: number };

/**
 * Resolves once the effect has happened and is on record; it runs only if it had not happened yet. An effect that
 * throws counts as not happened: its key is free again, and `once` rejects with what it threw. Rejects with
 * - `busy`: another has the key; `effect-unknown`: whoever had it died, or this claim was lost while its effect ran;
 * - `interrupted`: `signal` ended the waiting; `storage`, `unreachable` or `closed`: the store does not work.
 *
 * Nothing happened in any of these cases, except where an `effect-unknown` says so.
 */
export type Once = <T>(
  key: string,
  effect: () => T,
  options?: OnceOptions,
) => Promise<OnceResult<Awaited<T>>>;

const WEEK_MS = 7 * 24 * 60 * 60 * 1_000;
/** Between two looks at a key that another has: first, growth per look, and at most. */
const FIRST_LOOK_MS = 25;
const LOOK_GROWTH = 1.5;
const LAST_LOOK_MS = 1_000;
/** Until what happened is noted again, after a failure: doubling from the first to the last. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 30_000;

/** One `once` call under way. */
interface Run {
  readonly store: IdempotencyStore;
  readonly key: string;
  readonly token: string;
  readonly claimant: string;
  readonly leaseMs: number;
  readonly keepMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onTrouble: (error: unknown, key: string) => void;
}

/** `once` on a store. One per process is enough; it needs no closing, the store does. */
export function createOnce(store: IdempotencyStore, settings: OnceSettings = {}): Once {
  const { claimant = '', onTrouble = () => undefined, setTimer = unrefTimer } = settings;
  const token = settings.token ?? uniqueTokens();
  return async (key, effect, options) => {
    const run: Run = {
      store,
      key,
      token: token(),
      claimant,
      leaseMs: options?.leaseMs ?? settings.leaseMs ?? 60_000,
      keepMs: options?.keepMs ?? settings.keepMs ?? WEEK_MS,
      signal: options?.signal ?? settings.signal,
      onTrouble,
    };
    const found = await claimOrWait(run, {
      ifUnknown: options?.ifUnknown ?? settings.ifUnknown ?? 'fail',
      waitMs: options?.waitMs ?? settings.waitMs ?? 10_000,
      now: settings.now ?? (() => performance.now()),
      random: settings.random ?? Math.random,
    });
    if (found.state === 'done') return { ran: false, doneAt: found.at };
    const stopRenewing = keepLease(store, run, setTimer);
    try {
      const value = await performed(run, effect);
      await noteDone(run);
      return { ran: true, value };
    } finally {
      stopRenewing();
    }
  };
}

/** A random text per process and a number per claim: 96 bits do not meet again. */
function uniqueTokens(): () => string {
  const process = randomBytes(12).toString('base64url');
  let count = 0;
  return () => `${process}.${(count++).toString(36)}`;
}

interface Waiting {
  readonly ifUnknown: 'fail' | 'run';
  readonly waitMs: number;
  readonly now: () => number;
  readonly random: () => number;
}

/** Claims the key, or finds it done; waits for another that has it. */
async function claimOrWait(
  run: Run,
  { ifUnknown, waitMs, now, random }: Waiting,
): Promise<Extract<ClaimAnswer, { state: 'claimed-now' | 'done' }>> {
  const start = now();
  let pause = FIRST_LOOK_MS;
  for (;;) {
    if (run.signal?.aborted) throw interrupted(run);
    const found = await claim(run, ifUnknown === 'run');
    if (found.state === 'claimed-now' || found.state === 'done') return found;
    if (found.state === 'unknown') {
      throw unknownSince(run.key, found);
    }
    const left = start + waitMs - now();
    if (left <= 0) throw busy(run.key, found, waitMs);
    // The last look comes when the time is over. A timer that counts: the process lives as long as it waits.
    await delay(Math.min(left, pause * (0.75 + random() / 2)), undefined, { signal: run.signal }).catch(
      () => {
        throw interrupted(run);
      },
    );
    pause = Math.min(pause * LOOK_GROWTH, LAST_LOOK_MS);
  }
}

function claim({ store, key, token, leaseMs, claimant }: Run, evenUnknown: boolean): Promise<ClaimAnswer> {
  return store.claim(key, { token, leaseMs, note: claimant, evenUnknown });
}

/** The effect's value; when it throws, the key is given back first. */
async function performed<T>(run: Run, effect: () => T): Promise<Awaited<T>> {
  try {
    return await effect();
  } catch (error) {
    // If the key cannot be given back it will count as unknown, and what the effect threw is still what went wrong.
    await persistently(run, () => run.store.release(run.key, run.token)).catch(() => undefined);
    throw error;
  }
}

async function noteDone(run: Run): Promise<void> {
  const { store, key, token, keepMs } = run;
  for (;;) {
    const found = await persistently(run, async () => {
      if (await store.complete(key, token, keepMs)) return undefined;
      // The lease passed and another took the key over. It may have given it back since: then this effect was the only one.
      return claim(run, false);
    }).catch((cause: unknown) => {
      throw notNoted(key, cause);
    });
    if (found === undefined) return;
    if (found.state !== 'claimed-now') throw maybeTwice(key, found);
  }
}

/**
 * Until it is noted: what happened must not be forgotten for want of disk space. Meanwhile the lease is renewed, and
 * the caller keeps what it has in hand, so that a full disk holds it back. Rejects once `signal` is aborted.
 */
async function persistently<T>({ key, signal, onTrouble }: Run, note: () => Promise<T>): Promise<T> {
  for (let pause = FIRST_RETRY_MS; ; pause = Math.min(2 * pause, LAST_RETRY_MS)) {
    try {
      return await note();
    } catch (error) {
      callOut(() => onTrouble(error, key));
      const mayPass =
        isEventsError(error, 'storage') ||
        isEventsError(error, 'unreachable') ||
        isEventsError(error, 'timeout');
      if (!mayPass || signal?.aborted) throw error;
      await delay(pause, undefined, { signal }).catch(() => {
        throw error;
      });
    }
  }
}

function who({ since, note }: { readonly since: number; readonly note: string }): string {
  return `${new Date(since).toISOString()}${note === '' ? '' : ` (${note})`}`;
}

function interrupted({ key, signal }: Run): EventsError {
  return new EventsError('interrupted', `stopped waiting for ${JSON.stringify(key)}`, {
    cause: signal?.reason,
  });
}

function busy(key: string, found: { since: number; note: string }, waitedMs: number): EventsError {
  const message = `${JSON.stringify(key)} is being worked on since ${who(found)}, and still was after ${waitedMs} ms`;
  return new EventsError('busy', message, {
    hint: 'Try again: by then it is done, or free again, or whoever has it is known to be dead.',
  });
}

function unknownSince(key: string, found: { since: number; note: string }): EventsError {
  const message = `nobody can tell whether the effect of ${JSON.stringify(key)} happened: whoever began it at ${who(found)} died before its end was noted`;
  return new EventsError('effect-unknown', message, {
    hint: 'Look where the effect shows. Note what you found with resolveUnknown(store, key, "happened" or "did-not-happen"), then replay the event.',
  });
}

function notNoted(key: string, cause: unknown): EventsError {
  const message = `the effect of ${JSON.stringify(key)} happened, but that could not be noted: ${messageOf(cause)}`;
  return new EventsError('effect-unknown', message, {
    hint: 'When the store works again, note it with resolveUnknown(store, key, "happened"). Do not replay the event before.',
    cause,
  });
}

function maybeTwice(key: string, found: Exclude<ClaimAnswer, { state: 'claimed-now' }>): EventsError {
  const other =
    found.state === 'done'
      ? `noted it as done at ${who({ since: found.at, note: found.note })}`
      : `took it over at ${who(found)}`;
  const message = `the effect of ${JSON.stringify(key)} may have happened twice: it ran here for longer than its claim lasted, and another ${other}`;
  return new EventsError('effect-unknown', message, {
    hint: 'Look where the effect shows, and undo what is there twice. A longer leaseMs helps where this process was stopped for longer than that.',
  });
}
