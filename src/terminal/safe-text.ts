/** The last gates before a stream, where colours are known. What makes text itself safe is in the core. */
import { safeLine, safeText } from '../core/safe-text.js';

export {
  forPeople,
  hideEmails,
  hidePasswords,
  lineForPeople,
  safeLine,
  safeText,
} from '../core/safe-text.js';

// The colours that chalk writes (no other control sequence), or anything unsafe.
const STYLE_OR_UNSAFE = /\p{Cc}\[(?:[0-479]|2[2-9]|3\d|9[0-7])m|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * The last gate before a stream: everything unsafe is shown as an escape, but line feeds, and our own colours
 * where there are any. Text from outside has been made safe before it was coloured.
 */
export function safeOutput(text: string, colours: boolean): string {
  if (!colours) return safeText(text);
  return text.replace(STYLE_OR_UNSAFE, (match) => {
    if (match === '\n') return match;
    return match.length > 1 && match.startsWith('\u001b') ? match : safeLine(match);
  });
}

// JSON.stringify escapes C0 only; C1 controls, bidi marks and line separators would reach the terminal.
const UNSAFE_IN_JSON = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

/** JSON that means the same and holds no character that a terminal acts on. */
export function safeJson(json: string): string {
  return json.replace(UNSAFE_IN_JSON, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
