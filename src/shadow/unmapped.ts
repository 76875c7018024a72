/** Fields that the mapping says nothing about. They are told, so that nobody takes them for compared. */
import { z } from 'zod';
import { shortText } from './values.js';

/** Which paths of a body the mapping knows. */
export interface KnownPaths {
  /** Known with everything below them. */
  readonly whole: ReadonlySet<string>;
  /** On the way to a known one. */
  readonly above: ReadonlySet<string>;
}

export function knownPaths(paths: readonly string[]): KnownPaths {
  const above = paths.flatMap((path) => {
    const keys = path.split('.');
    return keys.slice(1).map((_, index) => keys.slice(0, index + 1).join('.'));
  });
  return { whole: new Set(paths), above: new Set(above) };
}

/** Calls `found` with each path of the body that is neither mapped nor ignored, the topmost of a branch. */
export function eachUnmapped(
  body: unknown,
  { whole, above }: KnownPaths,
  found: (path: string) => void,
  prefix = '',
): void {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return;
  for (const key in body) {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    if (whole.has(path)) continue;
    if (above.has(path)) eachUnmapped((body as Record<string, unknown>)[key], { whole, above }, found, path);
    else found(path);
  }
}

/** Names come from bodies, hence from anybody: beyond this many, the rest is counted as one. */
const MOST_PATHS = 500;
const OTHERS = '(others)';

export interface UnmappedField {
  readonly eventType: string;
  readonly consumer: string;
  readonly side: 'callback' | 'event';
  readonly path: string;
  readonly count: number;
}

export const unmappedJson = z.array(
  z.object({
    eventType: z.string(),
    consumer: z.string(),
    side: z.enum(['callback', 'event']),
    path: z.string(),
    count: z.int().positive(),
  }),
);

/** Counts unmapped paths per leg and side, on from what `all` gave before. */
export function unmappedCounter(stored: readonly UnmappedField[] = []) {
  const nameOf = ({ eventType, consumer, side, path }: Omit<UnmappedField, 'count'>) =>
    `${eventType}\n${consumer}\n${side}\n${path}`;
  const counts = new Map<string, { -readonly [K in keyof UnmappedField]: UnmappedField[K] }>(
    stored.map((field) => [nameOf(field), { ...field }]),
  );
  return {
    add(leg: { eventType: string; consumer: string }, side: UnmappedField['side'], path: string): void {
      const { eventType, consumer } = leg;
      const keyOf = (each: string) => nameOf({ eventType, consumer, side, path: each });
      const find = (each: string) => counts.get(keyOf(each));
      const known = find(path);
      if (known) {
        known.count++;
        return;
      }
      // A long name, or one that holds an address, is known only as it is shown.
      const shown = shortText(path);
      const name = find(shown) || counts.size < MOST_PATHS ? shown : OTHERS;
      const kept = find(name);
      if (kept) kept.count++;
      else counts.set(keyOf(name), { eventType, consumer, side, path: name, count: 1 });
    },
    /** The most frequent first. */
    all: (): UnmappedField[] => [...counts.values()].sort((a, b) => b.count - a.count),
  };
}

export type UnmappedCounter = ReturnType<typeof unmappedCounter>;
