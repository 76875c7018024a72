/** Whose publish made the broker close the channel, and what became of its neighbours. */
import { EventsError, exchangeMissing } from '../../core/errors.js';
import { replyCode, replyText } from './failures.js';
import type { Entry } from './window.js';

export interface Verdicts {
  /** Refused for certain, with the reason. */
  readonly refused: ReadonlyMap<Entry, EventsError>;
  /** Sent before the refused one: they may have arrived. */
  readonly unknown: readonly Entry[];
  /** Sent after it: the broker ignores all frames of a channel that it is closing, so they did not. */
  readonly untouched: readonly Entry[];
}

/**
 * Of several that may be it the last is blamed: it was not stored, whichever it was, and what follows it was
 * ignored for certain. Those before it may be stored, so they are unknown rather than refused.
 *
 * | the broker said                        | the culprit in flight                                  |
 * |----------------------------------------|--------------------------------------------------------|
 * | 404 no exchange 'x'                    | the last one to x: earlier ones may have found it there |
 * | 403 … exchange 'x' …                   | the last one to x: the permission may have gone lately  |
 * | 406 message size N is larger than …    | the first of N bytes                                   |
 * | anything else                          | nobody can be blamed: all unknown                      |
 */
export function judge(entries: readonly Entry[], error: Error | undefined): Verdicts {
  const text = error === undefined ? '' : replyText(error);
  const found = error === undefined ? undefined : culprit(entries, replyCode(error), text);
  if (found === undefined) return { refused: new Map(), unknown: entries, untouched: [] };
  const [index, verdict] = found;
  const entry = entries[index];
  return {
    refused: entry === undefined ? new Map() : new Map([[entry, verdict]]),
    unknown: entries.slice(0, index),
    untouched: entries.slice(index + 1),
  };
}

function culprit(
  entries: readonly Entry[],
  code: number | undefined,
  text: string,
): [number, EventsError] | undefined {
  const exchange = /exchange '([^']*)'/.exec(text)?.[1];
  if (code === 404 && exchange !== undefined) {
    const index = entries.findLastIndex((entry) => entry.message.exchange === exchange);
    return index < 0 ? undefined : [index, exchangeMissing(exchange)];
  }
  if (code === 403 && exchange !== undefined) {
    const index = entries.findLastIndex((entry) => entry.message.exchange === exchange);
    return index < 0 ? undefined : [index, new EventsError('access-refused', text)];
  }
  const size = /message size (\d+)/.exec(text)?.[1];
  if (code === 406 && size !== undefined) {
    const index = entries.findIndex((entry) => entry.message.body.length === Number(size));
    return index < 0 ? undefined : [index, tooLarge(text)];
  }
  return undefined;
}

function tooLarge(text: string): EventsError {
  return new EventsError('publish-refused', `The broker refused the message: ${text}`, {
    hint: 'Make the message smaller, or raise max_message_size in rabbitmq.conf.',
  });
}
