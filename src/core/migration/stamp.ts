/**
 * What a dispatcher writes on a fact, the same on both paths, and receivers decide by. The decision is made once, when
 * the fact is sent, and travels with it: whatever the flag says when it arrives, exactly one of the paths applies it.
 *
 * | header | on | holds |
 * |---|---|---|
 * | `x-migration-stage` | both | the stage in which it was sent |
 * | `x-migration-epoch` | both | how often the flag had been moved, a whole number |
 * | `idempotency-key` | both | the fact key |
 * | `x-dry-run` | both | `true` or `false`, for receivers that look at nothing else; nothing in here reads it |
 * | `x-migration-callbacks` | messages | `sent`, or `not-sent`: no callback is to be expected beside this event |
 */
import { type Headers, type HeaderValue, plainHeader } from '../message.js';
import { isStage, PATHS, type Stage } from './stage.js';

export interface Stamp {
  readonly stage: Stage;
  readonly epoch: number;
  /** Fact key: what `factKeyOf` gives. */
  readonly fact: string;
  readonly callbacks: 'sent' | 'not-sent';
}

export type MigrationPath = 'callback' | 'event';

export const HEADER_STAGE = 'x-migration-stage';
export const HEADER_EPOCH = 'x-migration-epoch';
export const HEADER_FACT = 'idempotency-key';
export const HEADER_DRY_RUN = 'x-dry-run';
export const HEADER_CALLBACKS = 'x-migration-callbacks';

/** What is told on this path is not to be applied: the other path's effects count. */
export function isDryRun(stage: Stage, path: MigrationPath): boolean {
  return (path === 'callback' ? PATHS[stage].callbacks : PATHS[stage].events) !== 'applied';
}

export function messageHeadersOf(stamp: Stamp): Headers {
  return { ...headersOf(stamp, 'event'), [HEADER_EPOCH]: stamp.epoch, [HEADER_CALLBACKS]: stamp.callbacks };
}

export function callbackHeadersOf(stamp: Stamp): Record<string, string> {
  return headersOf(stamp, 'callback');
}

function headersOf({ stage, epoch, fact }: Stamp, path: MigrationPath): Record<string, string> {
  return {
    [HEADER_STAGE]: stage,
    [HEADER_EPOCH]: String(epoch),
    [HEADER_FACT]: fact,
    [HEADER_DRY_RUN]: String(isDryRun(stage, path)),
  };
}

/** What an HTTP header can carry, which is what `factKeyOf` gives. */
const FACT = /^[!-~]+$/;
const WHOLE = /^\d{1,15}$/;

/**
 * The stamp in the headers (names in lower case) of a message or request. Undefined when no dispatcher sent it, and also
 * when the stamp is damaged: an unknown stage, an epoch that is no whole number, no fact, one header with two values.
 *
 * What has no stamp is applied, under the fact key that its data give, on either path. So a damaged stamp can make an
 * effect be tried on both paths, and the key they share has it happen once; taking it for a dry run would lose the effect
 * where the damage is on the path that counts, and nothing would bring it back.
 */
export function readStamp(headers: Readonly<Record<string, unknown>>): Stamp | undefined {
  if (headers[HEADER_STAGE] === undefined) return undefined;
  const stage = single(headers[HEADER_STAGE]);
  const epoch = wholeNumber(single(headers[HEADER_EPOCH]));
  const fact = single(headers[HEADER_FACT]);
  const callbacks = headers[HEADER_CALLBACKS] === undefined ? 'sent' : single(headers[HEADER_CALLBACKS]);
  if (!isStage(stage) || epoch === undefined) return undefined;
  if (typeof fact !== 'string' || !FACT.test(fact)) return undefined;
  if (callbacks !== 'sent' && callbacks !== 'not-sent') return undefined;
  return { stage, epoch, fact, callbacks };
}

/** An event that no handler is to get, not even in dry run. Costs one look at a message without a stamp. */
export function isOnlyObserved(headers: Headers | undefined): boolean {
  const stage = headers?.[HEADER_STAGE];
  if (headers === undefined || stage === undefined) return false;
  const plain = single(stage);
  if (!isStage(plain) || isConsumed(plain)) return false;
  return readStamp(headers) !== undefined;
}

function isConsumed(stage: Stage): boolean {
  const { events } = PATHS[stage];
  return events === 'applied' || events === 'dry-run';
}

/** Without wire types; of a header that came several times the value, if they all say the same. */
function single(value: unknown): unknown {
  const plain = plainHeader(value as HeaderValue);
  if (!Array.isArray(plain)) return plain;
  return plain.every((each) => each === plain[0]) ? plain[0] : undefined;
}

function wholeNumber(value: unknown): number | undefined {
  if (typeof value === 'string' && WHOLE.test(value)) return Number(value);
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
