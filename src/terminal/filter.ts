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

/** What it can name besides where dead letters are looked at. */
const DEAD_LETTER_VARIABLES = { reason: 'string', queue: 'string', failure: 'dyn', diedAt: 'dyn' } as const;

export const FILTER_NAMES = Object.keys(VARIABLES).join(', ');
export const DEAD_LETTER_FILTER_NAMES = `${FILTER_NAMES}, ${Object.keys(DEAD_LETTER_VARIABLES).join(', ')}`;

/** Undefined: the expression names a field that this event lacks, or that has another type. */
export type Filter = (record: EventRecord) => boolean | undefined;

/** The record of a dead letter, and what its headers tell about its death. */
export interface DeadLetterRecord extends EventRecord {
  /** `exhausted`, `rejected`, …; `unknown` when nothing tells. */
  readonly reason: string;
  /** The queue that gave it up; '' when nothing tells. */
  readonly queue: string;
  /** The failure record; `{}` where there is none, so that `has(failure.exception)` can be asked. */
  readonly failure: object;
  /** ISO 8601, or null when nothing tells. */
  readonly diedAt: string | null;
}

/** As `Filter`, of dead letters. */
export type DeadLetterFilter = (record: DeadLetterRecord) => boolean | undefined;

/**
 * Compiles an expression. Throws `usage` when it does not parse, names something unknown or cannot be true or
 * false. A record without a field that the expression names does not match; `has(event.field)` asks for the
 * field itself. The filter throws `usage` when the expression gives something else than true or false.
 */
export function compileFilter(expression: string): Promise<Filter> {
  return compile(expression, VARIABLES, FILTER_EXAMPLE);
}

/** The same for dead letters, whose death can be named besides. */
export function compileDeadLetterFilter(expression: string): Promise<DeadLetterFilter> {
  return compile(expression, { ...VARIABLES, ...DEAD_LETTER_VARIABLES }, DEAD_LETTER_EXAMPLE);
}

const FILTER_EXAMPLE = 'event.metadata.retryCount > 2 && routingKey == "analysis.failed"';
const DEAD_LETTER_EXAMPLE = 'reason == "exhausted" && failure.exception == "TypeError"';

async function compile(
  expression: string,
  variables: { readonly [name: string]: string },
  example: string,
): Promise<Filter> {
  const { Environment, EvaluationError } = await import('@marcbachmann/cel-js');
  const environment = new Environment();
  for (const [name, type] of Object.entries(variables)) environment.registerVariable(name, type);
  const notAFilter = (why: string) =>
    new EventsError('usage', `Not a filter: ${why}`, {
      hint: `Example: ${example}. Names: ${Object.keys(variables).join(', ')}.`,
    });
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

/** CEL's message without the lines that point into the expression. */
function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}
