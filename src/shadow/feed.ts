/** One file of a comparison, line by line in about the order of time: what the merge takes from. */
import { isEventsError } from '../core/errors.js';
import { type JsonLines, jsonLines } from './json-lines.js';

/** A line that could not be read. */
export interface LineError {
  readonly file: string;
  readonly line: number;
  readonly problem: string;
}

/** Lines that are older than those before them by more than is allowed for. */
export interface Disorder {
  readonly file: string;
  readonly lines: number;
  /** The worst, in milliseconds, and where the first was. */
  readonly worstMs: number;
  readonly firstLine: number;
}

export interface Coverage {
  readonly lines: number;
  /** Times of the first and the last record; null without any. Milliseconds since 1970. */
  readonly from: number | null;
  readonly to: number | null;
}

/** A stretch that the recorder itself says it may have missed: a line `{"gap": {"from": …, "to": …}}`. */
export interface GapLine {
  readonly from: number;
  readonly to: number | null;
}

/** Nothing was recorded before. */
const EARLIEST = 0;

interface Head<T> {
  readonly record: T;
  readonly line: number;
  readonly at: number;
}

export interface FeedOptions<T> {
  /** The name in errors, and of the source. */
  readonly file: string;
  readonly stream: AsyncIterable<Uint8Array>;
  /** Throws `input-invalid` for what is no record. */
  readonly parse: (value: unknown) => T & { readonly atMs: number };
  /** How much older than the newest a line may be, in milliseconds. */
  readonly disorderMs: number;
  readonly onError: (error: LineError) => void;
  /** Also for lines that could not be read. */
  readonly onGap: (gap: GapLine) => void;
}

export interface Feed<T> {
  readonly file: string;
  /** The next record, which `shift` takes away; undefined until more is read, or for good. */
  head(): Head<T> | undefined;
  shift(): void;
  /** Reads on; false at the end. */
  read(): Promise<boolean>;
  /** Everything up to here has been told, as far as lines keep to their order. */
  watermark(): number;
  ended(): boolean;
  disorder(): Disorder | undefined;
  coverage(): Coverage;
  bytes(): number;
  close(): Promise<void>;
}

export function createFeed<T>(options: FeedOptions<T>): Feed<T> {
  const { file, parse, disorderMs, onError, onGap } = options;
  const lines: JsonLines = jsonLines(options.stream);
  let head: Head<T> | undefined;
  let ended = false;
  let newest = Number.NEGATIVE_INFINITY;
  let oldest = Number.POSITIVE_INFINITY;
  let count = 0;
  let disorder: Disorder | undefined;
  /** Since when a line, or several, could not be read; what they told happened between their neighbours. */
  let unreadSince: number | undefined;

  const fail = (line: number, problem: string) => {
    unreadSince ??= Math.max(newest, EARLIEST);
    onError({ file, line, problem });
  };
  const bridge = (to: number | null) => {
    if (unreadSince === undefined) return;
    onGap({
      from: Math.min(unreadSince, to ?? unreadSince),
      to: to === null ? null : Math.max(unreadSince, to),
    });
    unreadSince = undefined;
  };
  const open = (value: unknown, line: number): Head<T> | undefined => {
    const gap = gapOf(value);
    if (gap !== undefined) {
      onGap(gap);
      return undefined;
    }
    try {
      const record = parse(value);
      bridge(record.atMs);
      return { record, line, at: record.atMs };
    } catch (error) {
      if (!isEventsError(error, 'input-invalid')) throw error;
      fail(line, error.message);
      return undefined;
    }
  };
  const note = ({ at, line }: Head<T>) => {
    count++;
    if (at < oldest) oldest = at;
    if (at > newest) newest = at;
    else if (newest - at > disorderMs) {
      const worstMs = Math.max(disorder?.worstMs ?? 0, newest - at);
      disorder = { file, lines: (disorder?.lines ?? 0) + 1, worstMs, firstLine: disorder?.firstLine ?? line };
    }
  };

  return {
    file,
    head() {
      while (head === undefined) {
        const next = lines.next();
        if (next === undefined) return undefined;
        if ('problem' in next.parsed) {
          fail(next.number, `Not JSON: ${next.parsed.problem}`);
        } else head = open(next.parsed.value, next.number);
      }
      return head;
    },
    shift() {
      if (head) note(head);
      head = undefined;
    },
    async read() {
      const more = await lines.read();
      if (more) return true;
      ended = true;
      bridge(null);
      return false;
    },
    watermark: () => (ended ? Number.POSITIVE_INFINITY : Math.max(newest, head?.at ?? newest) - disorderMs),
    ended: () => ended,
    disorder: () => disorder,
    coverage: () => ({ lines: count, from: count === 0 ? null : oldest, to: count === 0 ? null : newest }),
    bytes: () => lines.bytes(),
    close: () => lines.close(),
  };
}

function gapOf(value: unknown): GapLine | undefined {
  if (typeof value !== 'object' || value === null || !('gap' in value)) return undefined;
  const { gap } = value;
  if (typeof gap !== 'object' || gap === null) return undefined;
  const { from, to } = gap as { from?: unknown; to?: unknown };
  const begin = typeof from === 'string' ? Date.parse(from) : Number.NaN;
  const end = typeof to === 'string' ? Date.parse(to) : Number.NaN;
  // A gap whose ends nobody can read is a gap of unknown length, not none.
  return {
    from: Number.isNaN(begin) ? EARLIEST : begin,
    to: Number.isNaN(end) ? null : end,
  };
}
