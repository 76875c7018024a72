import { EventsError } from '../core/errors.js';

const UNIT_MS: { readonly [unit: string]: number } = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const DURATION = /^(\d+(\.\d+)?|(\d+(\.\d+)?(ms|s|m|h|d))+)$/;

/** True for what `parseDuration` takes. */
export function isDuration(text: string): boolean {
  return DURATION.test(text);
}

/** Milliseconds of `500ms`, `30s`, `5m`, `1h30m`, `2d`; a bare number is seconds. Throws `usage` on anything else. */
export function parseDuration(text: string): number {
  if (!isDuration(text)) {
    throw new EventsError('usage', `"${text}" is not a duration`, {
      hint: 'Examples: 500ms, 30s, 5m, 1h30m.',
    });
  }
  if (!Number.isNaN(Number(text))) return Number(text) * 1000;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (UNIT_MS[unit ?? 's'] ?? 0);
  }
  return total;
}
