/** Text from outside, fit for a page or a file that people open. */
import { lineForPeople } from '../../core/safe-text.js';

// The two characters that XML has no way to write.
const UNWRITABLE = /[\ufffe\uffff]/g;

/** One line in which every hidden character is shown as an escape, without e-mail addresses and passwords of URLs. */
export function plain(text: string): string {
  return lineForPeople(text).replace(UNWRITABLE, (character) => `\\u${character.charCodeAt(0).toString(16)}`);
}

/** The same for XML and HTML, fit for an attribute as well as for text. Line feeds stay. */
export function escapeMarkup(text: string): string {
  return text
    .split('\n')
    .map((line) => plain(line).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`))
    .join('\n');
}

/** Every text in it made plain, and nothing else changed: for JSON that a page holds. */
export function plainDeep<T>(value: T): T;
export function plainDeep(value: unknown): unknown {
  if (typeof value === 'string') return plain(value);
  if (Array.isArray(value)) return value.map((each) => plainDeep(each));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plainDeep(each)]));
}
