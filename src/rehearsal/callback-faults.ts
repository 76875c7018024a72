/** What is done to callbacks on their way: a field that drifts, answers that no service gave. Each for as many as it was told. */
import { HEADER_EPOCH, HEADER_FACT } from '../core/migration/stamp.js';
import type { CallbackSeen } from './forwarder.js';

export interface CallbackFaults {
  /** The next `count` callbacks are answered with `status`, each of them once. */
  refuseNext(count: number, status: number): Planted;
  /** The message of failed jobs differs from now on. */
  drift(): Planted;
  /** Nothing is planted from now on. */
  stop(): void;
  readonly answer: (callback: CallbackSeen) => number | undefined;
  readonly alter: (callback: CallbackSeen) => Buffer;
}

/** What a fault has done so far. */
export interface Planted {
  /** Callbacks that it hit. */
  hit(): number;
  /** Callbacks that it hit, and that came again. */
  sentAgain(): number;
  /** Fact keys that it hit. */
  facts(): ReadonlySet<string>;
}

export function createCallbackFaults(): CallbackFaults {
  let refusing: { left: number; readonly status: number; readonly record: Record } | undefined;
  let drifting: Record | undefined;
  /** Of the latest fault that answers: its callbacks may come again after the last of them was answered. */
  let latest: Record | undefined;

  return {
    refuseNext(count, status) {
      const record = createRecord();
      latest = record;
      refusing = { left: count, status, record };
      return record;
    },
    drift() {
      drifting = createRecord();
      return drifting;
    },
    stop() {
      refusing = undefined;
      drifting = undefined;
    },
    answer(callback) {
      const isAgain = latest?.see(callback) === true;
      if (refusing === undefined || refusing.left === 0 || isAgain) return undefined;
      refusing.left--;
      refusing.record.mark(callback);
      return refusing.status;
    },
    alter(callback) {
      const body = drifting === undefined ? undefined : drifted(callback.body);
      if (body === undefined) return callback.body;
      drifting?.mark(callback);
      return body;
    },
  };
}

interface Record extends Planted {
  mark(callback: CallbackSeen): void;
  /** True for one that it hit before. */
  see(callback: CallbackSeen): boolean;
}

function createRecord(): Record {
  const hits = new Set<string>();
  const facts = new Set<string>();
  const again = new Set<string>();
  const idOf = ({ path, headers }: CallbackSeen) => `${path} ${headers[HEADER_FACT]}`;
  return {
    mark(callback) {
      hits.add(idOf(callback));
      const fact = callback.headers[HEADER_FACT];
      if (typeof fact === 'string') facts.add(fact);
    },
    see(callback) {
      const isAgain = hits.has(idOf(callback));
      if (isAgain) again.add(idOf(callback));
      return isAgain;
    },
    hit: () => hits.size,
    sentAgain: () => again.size,
    facts: () => facts,
  };
}

/** Undefined for a callback that has no such field. */
function drifted(body: Buffer): Buffer | undefined {
  const parsed: unknown = JSON.parse(body.toString('utf8'));
  if (typeof parsed !== 'object' || parsed === null || !('errorMessage' in parsed)) return undefined;
  return Buffer.from(JSON.stringify({ ...parsed, errorMessage: 'AI_TIMEOUT' }));
}

/** The epoch of the flag that a callback was sent in; undefined where it carries none. */
export function epochOf({ headers }: Pick<CallbackSeen, 'headers'>): number | undefined {
  const epoch = Number(headers[HEADER_EPOCH]);
  return headers[HEADER_EPOCH] === undefined || Number.isNaN(epoch) ? undefined : epoch;
}
