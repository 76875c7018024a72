/** ISO 8601 in UTC. Events of one millisecond share the text: there are tens in each when it matters. */
let lastMs = Number.NaN;
let lastText = '';

export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastText;
}

/** Whole seconds since 1970 of a text that `isoTime` or anyone else made. */
export function secondsOf(isoText: string): number {
  return Math.floor((isoText === lastText ? lastMs : Date.parse(isoText)) / 1000);
}
