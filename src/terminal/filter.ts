/** `--filter` expressions: CEL (https://cel.dev), the language of Kubernetes and cloud event filters. */
import { EventsError } from '../core/errors.js';
import type { EventRecord } from '../core/events/record.js';

/** What an expression can name, with CEL types; shown in the help of every command that filters. */
const VARIABLES = {
  event: 'dyn',
  eventType: 'dyn',
  routingKey: 'string',
  exchange: 'string',
  messageId: 'dyn',
  headers: 'dyn',
  valid: 'bool',
} as const;

export const FILTER_NAMES = Object.keys(VARIABLES).join(', ');

/** Undefined: the expression names a field that this event lacks, or that has another type. */
export type Filter = (record: EventRecord) => boolean | undefined;

/**
 * Compiles an expression. Throws `usage` when it does not parse, names something unknown or cannot be true or
 * false. A record without a field that the expression names does not match; `has(event.field)` asks for the
 * field itself. The filter throws `usage` when the expression gives something else than true or false.
 */
export async function compileFilter(expression: string): Promise<Filter> {
  const { Environment, EvaluationError } = await import('@marcbachmann/cel-js');
  const environment = new Environment();
  for (const [name, type] of Object.entries(VARIABLES)) environment.registerVariable(name, type);
  const checked = environment.check(expression);
  if (!checked.valid) throw notAFilter(firstLine(checked.error?.message ?? 'it does not parse'));
  if (checked.type !== 'bool' && checked.type !== 'dyn') throw notAFilter(`it is a ${checked.type}`);
  const evaluate = environment.parse(expression);
  return (record) => {
    let matches: unknown;
    try {
      matches = evaluate({ ...record, eventType: record.type });
    } catch (error) {
      if (error instanceof EvaluationError) return undefined;
      throw error;
    }
    if (typeof matches !== 'boolean') throw notAFilter(`it gives ${typeof matches}, not true or false`);
    return matches;
  };
}

function notAFilter(why: string): EventsError {
  return new EventsError('usage', `Not a filter: ${why}`, {
    hint: `Example: event.metadata.retryCount > 2 && routingKey == "analysis.failed". Names: ${FILTER_NAMES}.`,
  });
}

/** CEL's message without the lines that point into the expression. */
function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}
