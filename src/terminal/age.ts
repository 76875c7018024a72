const UNITS = [
  ['day', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** `12 s`, `5 min`, `3 h`, `2 days`: a length of time in its largest whole unit. Negative ones are `0 s`: clocks differ. */
export function age(ms: number): string {
  const [unit, size] = UNITS.find(([, least]) => ms >= least) ?? ['s', 1_000];
  const amount = Math.max(Math.floor(ms / size), 0);
  return `${amount} ${unit}${unit === 'day' && amount !== 1 ? 's' : ''}`;
}
