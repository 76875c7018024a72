/**
 * The one difference that a 406 PRECONDITION_FAILED names, for example
 * `inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received the value '5' of type 'signedint' but current is none`.
 */
import type { Arguments } from '../../core/topology/model.js';
import type { Difference } from '../../core/topology/observe.js';

const WORDS =
  /inequivalent arg '([^']+)' for (?:queue|exchange) '.*' in vhost '.*': received (.+?) but current is (.+?)$/s;
const VALUE = /^(?:the value )?'([\s\S]*?)'(?: of type '([a-z]+)')?$/;
const ATTRIBUTES: { readonly [name: string]: string } = { auto_delete: 'autoDelete' };

/**
 * Undefined when the text says something else. Values of one and the same type are printed without it
 * (`received '5000' but current is '60000'`): then `asked`, what was declared, tells the type.
 */
export function inequivalence(text: string, asked: Arguments = {}): Difference | undefined {
  const [, name, desired, actual] = WORDS.exec(text) ?? [];
  if (name === undefined || desired === undefined || actual === undefined) return undefined;
  const fallback = typeof asked[name];
  return {
    attribute: ATTRIBUTES[name] ?? name,
    desired: parse(desired, fallback),
    actual: parse(actual, fallback),
  };
}

function parse(words: string, fallback: string): string | number | boolean | undefined {
  if (words === 'none') return undefined;
  const [, value, type] = VALUE.exec(words) ?? [];
  if (value === undefined) return words;
  const known = type ?? fallback;
  if (known === 'bool' || known === 'boolean' || known === 'undefined') {
    if (value === 'true') return true;
    if (value === 'false') return false;
  }
  if (NUMERIC.test(known)) return Number(value);
  return value;
}

const NUMERIC = /^(?:byte|unsignedbyte|short|unsignedshort|signedint|unsignedint|long|float|double|number)$/;
