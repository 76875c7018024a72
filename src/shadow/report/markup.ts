/** HTML in which everything is text unless it is known to be markup: a value from outside cannot become an element. */
import { escapeMarkup } from './plain.js';

export interface Markup {
  readonly markup: string;
}

type Part = string | number | Markup | undefined;

/** A template of HTML. Values are escaped, lists put one after the other, and undefined is nothing. */
export function html(texts: TemplateStringsArray, ...values: readonly (Part | readonly Part[])[]): Markup {
  let markup = texts[0] ?? '';
  for (const [index, value] of values.entries()) {
    const parts = isList(value) ? value : [value];
    markup += parts.map(markupOf).join('') + (texts[index + 1] ?? '');
  }
  return { markup };
}

/** Markup of our own that holds nothing from outside, such as styles. */
export const trusted = (markup: string): Markup => ({ markup });

/** Text in which `words between backticks` are code. */
export function withCode(text: string): Markup {
  return html`${text.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}

/** A coordinate across a drawing that is as wide as its place: a share from 0 to 1. */
export const across = (share: number) => `${Math.round(share * 1e5) / 1e3}%`;

function isList(value: Part | readonly Part[]): value is readonly Part[] {
  return Array.isArray(value);
}

function markupOf(part: Part): string {
  if (part === undefined) return '';
  return typeof part === 'object' ? part.markup : escapeMarkup(String(part));
}
