/**
 * For the HTTP side of a service: whether a callback is to be applied, and its effects under the keys that the consumer of
 * the same service uses. Knows no web framework: it takes headers and the parsed body.
 */
import type { IdempotencyStore } from '../consuming/idempotency.js';
import { createOnce, type Once } from '../consuming/once.js';
import { EventsError } from '../errors.js';
import { factText } from '../events/fact.js';
import { effectsOf, type RunEffect } from './effect.js';
import type { Stage } from './stage.js';
import { HEADER_EPOCH, HEADER_FACT, HEADER_STAGE, isDryRun, readStamp, type Stamp } from './stamp.js';

/** Headers of a request as node, express and fastify give them, or as a `Headers` of fetch. Names in any case. */
export type RequestHeaders = { readonly [name: string]: unknown } | Iterable<readonly [string, unknown]>;

export type CallbackReceiverOptions<Body> = (
  | {
      /** The consumer's: `ConsumerOptions.idempotency`. */
      readonly store: IdempotencyStore;
      /**
       * Told each time that an effect has happened and could not be noted (a full disk, say); it is tried again, and the
       * request waits. Must not throw. Default: nobody.
       */
      readonly onTrouble?: (error: unknown, key: string) => void;
    }
  | { /** On the consumer's store, for settings of its own. */ readonly once: Once }
) & {
  /** The consumer's: `ConsumerOptions.consumerName`, or the bus's `source` where that is not given. */
  readonly consumer: string;
  /**
   * Names the fact of a callback without a stamp (an old worker sends none), as the event's definition names it. Undefined:
   * it names none. Gets whatever `receive` is given.
   */
  readonly fact?: (body: Body) => string | undefined;
};

export interface ReceivedCallback {
  /** Undefined without a stamp. */
  readonly stage: Stage | undefined;
  readonly epoch: number | undefined;
  /** Answer as always, and change nothing: the event does. False without a stamp. */
  readonly dryRun: boolean;
  /** Fact key; undefined where neither a stamp nor the body names one. */
  readonly fact: string | undefined;
  /** See `RunEffect`. May be taken out of the object. */
  readonly effect: RunEffect;
}

export interface CallbackReceiver<Body> {
  /** Never throws: what is missing shows when an effect is asked for. */
  receive(headers: RequestHeaders, body: Body): ReceivedCallback;
}

/**
 * How long a callback waits for another that is at the same effect, in milliseconds. Less than its sender waits for an
 * answer (10,000), which is to hear `busy` and not nothing.
 */
const WAIT_MS = 5_000;

/** One per service is enough. Throws `usage` without a name of the consumer. */
export function createCallbackReceiver<Body = unknown>(
  options: CallbackReceiverOptions<Body>,
): CallbackReceiver<Body> {
  const { consumer } = options;
  if (consumer === '') throw new EventsError('usage', 'a callback receiver needs the name of its consumer');
  const once = 'once' in options ? options.once : onceOn(options.store, consumer, options.onTrouble);
  return {
    receive(headers, body) {
      const stamp = readStamp(stampHeadersIn(headers));
      const named = factOf(stamp, body, options.fact);
      const dryRun = stamp !== undefined && isDryRun(stamp.stage, 'callback');
      return {
        stage: stamp?.stage,
        epoch: stamp?.epoch,
        dryRun,
        fact: named.fact,
        effect: effectsOf({
          dryRun,
          consumer: () => consumer,
          once: () => once,
          fact() {
            if (named.fact !== undefined) return named.fact;
            throw noFact(named.error);
          },
        }),
      };
    },
  };
}

function onceOn(
  store: IdempotencyStore,
  claimant: string,
  onTrouble: ((error: unknown, key: string) => void) | undefined,
): Once {
  return createOnce(store, { claimant, waitMs: WAIT_MS, ...(onTrouble && { onTrouble }) });
}

interface Named {
  readonly fact: string | undefined;
  /** What the function threw. */
  readonly error?: unknown;
}

function factOf<Body>(
  stamp: Stamp | undefined,
  body: Body,
  name: ((body: Body) => string | undefined) | undefined,
): Named {
  if (stamp !== undefined) return { fact: stamp.fact };
  try {
    const fact: unknown = name?.(body);
    return { fact: typeof fact === 'string' && fact !== '' ? factText(fact) : undefined };
  } catch (error) {
    return { fact: undefined, error };
  }
}

const STAMP_HEADERS: ReadonlySet<string> = new Set([HEADER_STAGE, HEADER_EPOCH, HEADER_FACT]);

/** Those that a callback's stamp is read from, in lower case; all values of one that is there several times. */
function stampHeadersIn(headers: RequestHeaders): Record<string, unknown[]> {
  const found: Record<string, unknown[]> = {};
  for (const [given, value] of isIterable(headers) ? headers : Object.entries(headers)) {
    const name = given.toLowerCase();
    if (!STAMP_HEADERS.has(name) || value === undefined) continue;
    found[name] = [...(found[name] ?? []), ...(Array.isArray(value) ? value : [value])];
  }
  return found;
}

function isIterable(headers: RequestHeaders): headers is Iterable<readonly [string, unknown]> {
  return Symbol.iterator in headers;
}

function noFact(cause: unknown): EventsError {
  return new EventsError(
    'usage',
    'effect() needs a fact: the callback has no stamp, and its body names none',
    {
      hint: 'Give createCallbackReceiver a function "fact" that names the fact of a body as the definition of the event does.',
      cause,
    },
  );
}
