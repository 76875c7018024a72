/**
 * Values of a body as tokens: numbers that are equal when the values mean the same. A leg is compared by its tokens, so
 * that a body need not be kept, and not even its values once the leg is closed and in order.
 */
import { hideEmails, hidePasswords } from '../core/safe-text.js';
import type { FieldMapping } from '../core/shadow-mapping.js';

/** The token of a value that is null or not there: the two mean the same. JSON has no infinity, so no value gets it. */
export const ABSENT = Number.NEGATIVE_INFINITY;

/** 53 bits of a text (cyrb53): two values of one job that differ get one token once in 10^16. */
export function hashOf(text: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    high = Math.imul(high ^ code, 0x9e3779b1);
    low = Math.imul(low ^ code, 0x5f356495);
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return 0x100000000 * (0x1fffff & low) + (high >>> 0);
}

/** Makes tokens of one field's values. */
export type Tokenizer = (value: unknown) => number;

export function tokenizerOf({ same, tolerance }: Pick<FieldMapping, 'same' | 'tolerance'>): Tokenizer {
  const synonyms = new Map(
    same.flatMap((group) => group.map((value) => [value, plainToken(group[0])] as const)),
  );
  return (value) => {
    if (value === undefined || value === null) return ABSENT;
    if (synonyms.size > 0 && typeof value !== 'object') {
      const synonym = synonyms.get(value as string | number | boolean);
      if (synonym !== undefined) return synonym;
    }
    if (tolerance !== undefined) {
      if ('number' in tolerance && typeof value === 'number') return value;
      const time = 'timeMs' in tolerance && typeof value === 'string' ? Date.parse(value) : Number.NaN;
      if (!Number.isNaN(time)) return time;
      // No number where one belongs: as far from every number as any tolerance reaches, yet equal to itself.
      return Number.MAX_VALUE * (0.5 + plainToken(value) / 2 ** 54);
    }
    return plainToken(value);
  };
}

/** Numbers stand for themselves; `5` and `"5"` differ. */
function plainToken(value: unknown): number {
  if (typeof value === 'string') return hashOf(value);
  if (typeof value === 'number') return value;
  return hashOf(`\u0000${stableJson(value)}`);
}

/** JSON with sorted keys: objects that mean the same have one text. */
function stableJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableJson).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${stableJson(each)}`).join()}}`;
}

const LONGEST_SHOWN = 200;
/** A megabyte is not worth searching for addresses. */
const LONGEST_SEARCHED = 4_000;

/** A value fit to be stored and shown: short, as JSON, without e-mail addresses and passwords of URLs. */
export function showValue(value: unknown): string {
  if (value === undefined) return '(absent)';
  return shortText(JSON.stringify(value) ?? '(absent)');
}

/** Somebody else's words, short and without e-mail addresses and passwords of URLs. */
export function shortText(text: string): string {
  // Hidden before it is cut: half of one could not be told from any other word.
  return cut(hideEmails(hidePasswords(cut(text, LONGEST_SEARCHED))), LONGEST_SHOWN);
}

function cut(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}…`;
}
