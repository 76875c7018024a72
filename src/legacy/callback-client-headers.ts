/** Headers of a callback, and keeping what is secret in them out of what people read. */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { EventsError } from '../core/errors.js';
import { lineForPeople } from '../core/safe-text.js';
import { REDACTED, SECRET_HEADERS } from './redaction.js';

/** These say where a request ends and how its connection is used: a wrong one would mix up two callbacks. */
const OURS = [
  ...['host', 'connection', 'keep-alive', 'content-length', 'content-type', 'transfer-encoding'],
  ...['te', 'trailer', 'upgrade', 'expect', 'accept-encoding'],
];

/** The headers with names in lower case. Throws `usage` on one that cannot be sent, or is not the caller's to set. */
export function checkedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([given, value]) => {
      const name = given.toLowerCase();
      if (OURS.includes(name)) {
        throw new EventsError('usage', `callbacks: the header "${name}" is set by the client`);
      }
      try {
        validateHeaderName(name);
        validateHeaderValue(name, value);
      } catch {
        // Neither its error nor its value is passed on: it may be a secret.
        throw new EventsError('usage', `callbacks: the header ${JSON.stringify(name)} cannot be sent`, {
          hint: 'A value holds characters of Latin-1 and no line feeds; encode others, with encodeURIComponent for one.',
        });
      }
      return [name, value];
    }),
  );
}

/** A header of the application's own that sounds like one is a secret, too. The fact key is none. */
const SOUNDS_SECRET = /key|token|secret|passw|auth|credential|session/;
const isSecret = (name: string) =>
  SECRET_HEADERS.includes(name) || (SOUNDS_SECRET.test(name) && name !== 'idempotency-key');

/** The secrets among the values of the headers, longest first, as they may come back in an answer. */
export function secretsIn(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries(headers)
    .filter(([name]) => isSecret(name))
    .flatMap(([, value]) => [value, value.replace(/^\w+ +/, '')])
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
    .filter((secret) => secret !== '')
    .toSorted((a, b) => b.length - a.length);
}

const LONGEST_SHOWN = 200;
/** More is not worth searching. */
const LONGEST_SEARCHED = 4_000;

/** The beginning of an answer in one line for people, without the secrets of its request. `whole`: nothing is missing. */
export function shownAnswer(text: string, whole: boolean, secrets: readonly string[]): string {
  // Before anything is cut off, since half a secret could not be found; what the reader cut may end in half of one.
  const known = whole ? text : text.slice(0, Math.max(0, text.length - (secrets[0]?.length ?? 0)));
  const open = secrets.reduce((line, secret) => line.replaceAll(secret, REDACTED), known.trim());
  return cut(lineForPeople(cut(open, LONGEST_SEARCHED)), LONGEST_SHOWN);
}

function cut(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}…`;
}
