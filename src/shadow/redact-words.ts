/** What a receiver, or a catalog, says about a body may quote it: the values that are never stored are taken out. */

import { type Path, valueAt } from '../core/dotted-path.js';
import { SECRET_HEADERS } from '../legacy/redaction.js';

export const REDACTED_VALUE = '(redacted)';

/** Names of what nobody may read, whatever a mapping says: a receiver may quote the headers of a request, too. */
const SECRETS: ReadonlySet<string> = new Set(
  [...SECRET_HEADERS, 'service-key', 'api-key', 'password', 'secret', 'token', 'access-token'].map(plain),
);

/**
 * `words` without the values that `body` has at those paths, and without any value that is named like one of them or like a
 * secret.
 */
export function redactWords(words: string, body: unknown, redacted: readonly Path[]): string {
  const names = new Set(redacted.map((path) => plain(path.at(-1) ?? '')));
  const named = words.replace(NAMED_VALUE, (all, name: string, between: string, rest: string) => {
    if (!names.has(plain(name)) && !SECRETS.has(plain(name))) return all;
    // Of an object or a list nobody knows where it ends, as the words may have been cut.
    return `"${name}"${between}${REDACTED_VALUE}${/^[[{]/.test(rest) ? CUT : ''}`;
  });
  const cut = named.indexOf(CUT);
  const kept = cut === -1 ? named : named.slice(0, cut);
  // The longest first: one may be part of another.
  const values = redacted.flatMap((path) => textsIn(valueAt(body, path))).sort((a, b) => b.length - a.length);
  return values.reduce((text, value) => text.replaceAll(value, REDACTED_VALUE), kept);
}

/** `"name": value`, as JSON has it; of an object or a list only its first sign, for there are names in it, too. */
const NAMED_VALUE = /"([^"\\]{1,200})"(\s*:\s*)("(?:[^"\\]|\\.)*"?|[[{]|[^\s,}\]]+)/g;

/** No text holds a lone surrogate once it was UTF-8. */
const CUT = '\uD800';

/** `user_email`, `userEmail` and `User-Email` are one name. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
}

/** As the value may stand in a text: plain, and escaped as in JSON. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'number') return [String(value)];
  if (typeof value === 'string') return value === '' ? [] : [value, JSON.stringify(value).slice(1, -1)];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}
