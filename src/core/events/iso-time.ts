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

/** The farthest a Date goes, in milliseconds: 100 million days from 1970. AMQP's 64 bits go further. */
export const FARTHEST_MS = 8.64e15;

/** The text of whole seconds since 1970, or undefined when no calendar reaches that far: it came from outside. */
export function isoTimeOfSeconds(seconds: number): string | undefined {
  return Math.abs(seconds * 1000) <= FARTHEST_MS ? isoTime(seconds * 1000) : undefined;
}
