/** `--filter` expressions: CEL (https://cel.dev), the language of Kubernetes and cloud event filters. */
import { EventsError, messageOf } from '../core/errors.js';
import type { EventRecord } from '../core/events/record.js';

/** What an expression can name, with its meaning; shown in the help of every command that filters. */
export const FILTER_NAMES = 'event, eventType, routingKey, exchange, messageId, headers, valid';

export type Filter = (record: EventRecord) => boolean;

/**
 * Compiles an expression. Throws `usage` when it does not parse. A record without a field that the
 * expression names does not match; `has(event.field)` asks for the field itself.
 */
export async function compileFilter(expression: string): Promise<Filter> {
  const { Environment, ParseError } = await import('@marcbachmann/cel-js');
  const environment = new Environment({ unlistedVariablesAreDyn: true });
  let evaluate: (context: Record<string, unknown>) => unknown;
  try {
    evaluate = environment.parse(expression);
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    throw new EventsError('usage', `The filter does not parse: ${messageOf(error)}`, {
      hint: `Example: event.metadata.retryCount > 2 && routingKey == "analysis.failed". Names: ${FILTER_NAMES}.`,
    });
  }
  return (record) => {
    try {
      return (
        evaluate({
          event: record.event,
          eventType: record.type,
          routingKey: record.routingKey,
          exchange: record.exchange,
          messageId: record.messageId,
          headers: record.headers,
          valid: record.valid,
        }) === true
      );
    } catch {
      return false; // a field that this event does not have, or has with another type: no match
    }
  };
}
