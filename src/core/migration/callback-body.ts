/** The JSON body of a callback, made of the data of the event that replaces it. */
import { firstAt, splitPath } from '../dotted-path.js';
import type { CallbackField, CallbackRoute } from './callback-route.js';

/**
 * The fields of the route in their order:
 *
 * | field | in the body |
 * |---|---|
 * | a constant | the constant |
 * | a path leads to a value | the value at the first path that does; null is a value |
 * | no path leads anywhere | left out |
 */
export function bodyOf({ body }: Pick<CallbackRoute, 'body'>, data: unknown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(body)
      .map(([name, field]) => [name, valueFor(field, data)] as const)
      .filter(([, value]) => value !== undefined),
  );
}

function valueFor(field: CallbackField, data: unknown): unknown {
  return 'constant' in field ? field.constant : firstAt(data, field.map(splitPath));
}
