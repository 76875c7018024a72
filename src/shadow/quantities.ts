/** Numbers, shares and times as people read them, the same in every locale. */

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** `3,327`; one decimal below ten, where it matters for a rate: `0.4`. */
export function thousands(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0 });
}

/** `0.1 %`, of a share from 0 to 1. Two significant digits; never in powers of ten. */
export function percent(share: number): string {
  return `${(share * 100).toLocaleString('en-US', { maximumSignificantDigits: 2 })} %`;
}

/** `1 leg`, `3,327 legs`. */
export function plural(count: number, word: string): string {
  return `${thousands(count)} ${word}${count === 1 ? '' : 's'}`;
}

/** `about 3 hours`: rounded up to whole ones of the largest unit that fits. Milliseconds. */
export function about(ms: number): string {
  const [unit, size] = UNITS.find(([, least]) => ms >= least) ?? ['minute', 60_000];
  return `about ${plural(Math.ceil(ms / size), unit)}`;
}

/** `800 ms`, `41.2 s`. Milliseconds. */
export function seconds(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toLocaleString('en-US', { maximumFractionDigits: 1 })} s`;
}

/** ISO 8601 in UTC, to the second, of milliseconds since 1970. */
export function time(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
