/** Untrusted text made safe to print: nothing in it can drive a terminal, and nobody's address shows. */

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

const EMAIL = /[\p{L}\p{N}._%+-]+@((?:[\p{L}\p{N}-]+\.)+[\p{L}]{2,})/gu;

/** E-mail addresses reduced to their domain: `***@example.com`. */
export function hideEmails(text: string): string {
  return text.includes('@') ? text.replace(EMAIL, '***@$1') : text;
}

// Up to the last @ of the word: a password may hold @ and / unescaped, and hiding too much is the safe side.
const CREDENTIALS = /([a-z][a-z0-9+.-]*:\/\/[^\s:@/]*):\S*@/gi;

/** URLs without their passwords: `amqp://user:***@host`. */
export function hidePasswords(text: string): string {
  return text.includes('://') ? text.replace(CREDENTIALS, '$1:***@') : text;
}

function hex(code: number, width: number): string {
  return code.toString(16).padStart(width, '0');
}
