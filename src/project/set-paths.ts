import { EventsError } from '../core/errors.js';

/**
 * A copy of `base` with each `path=value` set. Paths are dotted, numbers index arrays; a value that parses
 * as JSON is taken as JSON, anything else as text. `fill` replaces placeholders in the value first.
 * Throws `usage` on an assignment without `=` or through something that is not an object.
 */
export function setPaths(
  base: unknown,
  assignments: readonly string[],
  fill: (text: string) => string,
): unknown {
  if (assignments.length === 0) return base;
  const root: unknown = structuredClone(base);
  if (!isContainer(root)) throw new EventsError('usage', '--set needs data that are an object');
  for (const assignment of assignments) {
    const at = assignment.indexOf('=');
    if (at < 1) throw new EventsError('usage', `"${assignment}" is not path=value`);
    assign(root, assignment.slice(0, at), jsonOrText(fill(assignment.slice(at + 1))));
  }
  return root;
}

function assign(root: Record<string, unknown>, path: string, value: unknown): void {
  const names = path.split('.');
  const last = names.pop() ?? path;
  let target = root;
  for (const name of [...names, last]) {
    if (name === '__proto__' || name === '') throw new EventsError('usage', `"${path}" is not a field path`);
  }
  for (const name of names) {
    const next = target[name] ?? {};
    if (!isContainer(next)) throw new EventsError('usage', `"${name}" in "${path}" is not an object`);
    target[name] = next;
    target = next;
  }
  target[last] = value;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // not JSON: the text itself
  }
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
