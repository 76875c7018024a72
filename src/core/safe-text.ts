/** Text from outside made fit for people: nothing in it can drive a terminal or hide, and no secret or address shows. */

// Control characters, marks that reorder or hide text (bidi, zero width), line separators, lone surrogates.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const NAMED: { readonly [character: string]: string } = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** One line in which every control character is shown as an escape such as `\x1b`. */
export function safeLine(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    return NAMED[character] ?? (code < 256 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`);
  });
}

/** The same for text of several lines: line feeds stay. */
export function safeText(text: string): string {
  return text.split('\n').map(safeLine).join('\n');
}

// Up to the last @ of the word: a password may hold @ and / unescaped, and hiding too much is the safe side.
const CREDENTIALS = /([a-z][a-z0-9+.-]*:\/\/[^\s:@/]*):\S*@/gi;

/** URLs without their passwords: `amqp://user:***@host`. */
export function hidePasswords(text: string): string {
  return text.includes('://') ? text.replace(CREDENTIALS, '$1:***@') : text;
}

/** Text of a message, fit for people. Safe first: nothing must hide behind an invisible character. Line feeds stay. */
export function forPeople(text: string): string {
  return hideEmails(hidePasswords(safeText(text)));
}

/** The same in one line. */
export function lineForPeople(text: string): string {
  return hideEmails(hidePasswords(safeLine(text)));
}

// Whatever can stand before the @ of an address in JSON, text or a header; a name with an apostrophe, too.
const EMAIL = /[^\s"<>(),:;@[\]{}]+@((?:[\p{L}\p{N}-]+\.)+\p{L}{2,})/gu;

// An address that was cut in its domain: up to an ellipsis, or where the text ends. There it must not be a URL's host, and
// its first letter tells it from a version (`zod@4.1`); a word without anything before the @ is none (`@scope/name`).
const CUT_EMAIL =
  /[^\s"<>(),:;@[\]{}]+@((?:[\p{L}\p{N}-]+\.?)*…)|(?<![^\s"<>(),:;@[\]{}])[^\s"<>(),:;@[\]{}/]+@((?:[\p{L}\p{N}-]+\.)*\p{L}[\p{L}\p{N}-]*\.?)$/gu;

/**
 * E-mail addresses reduced to their domain: `***@example.com`; also those that were cut, `***@exam…`. Call it on text that
 * is safe already, and before it is cut: of an address that ends before its @ nobody can tell that it was one.
 */
export function hideEmails(text: string): string {
  if (!text.includes('@')) return text;
  return text
    .replace(EMAIL, '***@$1')
    .replace(CUT_EMAIL, (_, marked?: string, last?: string) => `***@${marked ?? last ?? ''}`);
}

function hex(code: number, width: number): string {
  return code.toString(16).padStart(width, '0');
}
