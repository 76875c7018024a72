/** Effects of a fact: each happens once, on the path that counts, however often and on whichever path the fact is told. */

import type { Once, OnceOptions } from '../consuming/once.js';
import { asPermanent } from '../consuming/permanent-error.js';
import { EventsError } from '../errors.js';
import { factText } from '../events/fact.js';

export interface EffectOptions extends OnceOptions {
  /** Tells the effects of one fact apart. Needed for the second and every further one of a handler. */
  readonly name?: string;
}

/**
 * | told | happened before | result |
 * |---|---|---|
 * | in dry run | either | `ran: false`, because `dry-run` |
 * | to be applied | no | `ran: true`, with what the effect gave |
 * | to be applied | yes, at `doneAt` (milliseconds since 1970), by either path | `ran: false`, because `done` |
 */
export type EffectResult<T> =
  | { readonly ran: true; readonly value: T }
  | { readonly ran: false; readonly because: 'dry-run' }
  | { readonly ran: false; readonly because: 'done'; readonly doneAt: number };

/**
 * Runs an effect unless this is a dry run, and once per fact, name and consumer, on whichever path. Promises and rejects
 * as `Once`; and rejects with `usage` where there is no idempotency store, no consumer name or no fact key, and when it is
 * asked twice under one name: in dry run, too, so that shadow mode shows it while the callbacks still count.
 */
export type RunEffect = <T>(run: () => T, options?: EffectOptions) => Promise<EffectResult<Awaited<T>>>;

/** One telling of a fact, on either path. */
export interface Telling {
  readonly dryRun: boolean;
  /** Name of the consumer whose effects they are. Throws where there is none. */
  consumer(): string;
  /** Fact key. Throws where there is none. */
  fact(): string;
  /** Throws where there is no store. */
  once(): Once;
}

const DRY_RUN = { ran: false, because: 'dry-run' } as const;

/** The effects of one telling. */
export function effectsOf(telling: Telling): RunEffect {
  const asked = new Set<string>();
  return async (run, options) => {
    const once = telling.once();
    const key = effectKeyOf(telling.consumer(), telling.fact(), options?.name);
    if (asked.has(key)) throw askedTwice(key);
    asked.add(key);
    if (telling.dryRun) return DRY_RUN;
    try {
      const result = await once(key, run, options);
      return result.ran ? result : { ran: false, because: 'done', doneAt: result.doneAt };
    } catch (error) {
      asked.delete(key); // it did not happen: whoever asked may try again
      throw error;
    }
  };
}

/**
 * Under which key of the idempotency store an effect is kept: `fact:<consumer>:<fact>`, and `#<name>` where it has one.
 * No two effects share a key: a fact key has no `#`, and colons of the consumer's name are written `%3A`.
 */
export function effectKeyOf(consumer: string, fact: string, name?: string): string {
  const whose = factText(consumer).replaceAll(':', '%3A');
  return `fact:${whose}:${fact}${name === undefined ? '' : `#${name}`}`;
}

function askedTwice(key: string): EventsError {
  return asPermanent(
    new EventsError('usage', `effect() was asked for ${JSON.stringify(key)} twice`, {
      hint: 'The second effect would be taken for the first one. Give each a name: effect(run, { name: "mail" }).',
    }),
  );
}
