import { type FieldIssue, messageOf } from '../errors.js';

/** The part of a zod schema that is used: any zod 4, also another copy of it. */
interface Schema {
  safeParse(
    value: unknown,
  ):
    | { readonly success: true; readonly data: unknown }
    | { readonly success: false; readonly error: { readonly issues: readonly RawIssue[] } };
}

interface RawIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The value as the schema makes it, or what is wrong with each field. Never throws, whatever the schema does. */
export function applySchema(
  schema: Schema,
  value: unknown,
): { readonly data: unknown } | { readonly issues: readonly FieldIssue[] } {
  try {
    const result = schema.safeParse(value);
    return result.success ? { data: result.data } : { issues: fieldIssues(result.error.issues) };
  } catch (error) {
    // A transform that throws, or an asynchronous refinement: the schema's defect, told like a field's.
    return { issues: [{ path: '', message: `the schema cannot be applied: ${messageOf(error)}` }] };
  }
}

/** zod's issues with dotted paths and without its formula; a field that is not there is called missing. */
export function fieldIssues(issues: readonly RawIssue[]): FieldIssue[] {
  return issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message: plain(message) }));
}

function plain(message: string): string {
  const missing = /^Invalid input: (expected .*), received undefined$/.exec(message);
  return missing ? `missing, ${missing[1]}` : message.replace(/^Invalid input: /, '');
}

/** `path: problem` for each issue, in one line. */
export function describeIssues(issues: readonly FieldIssue[]): string {
  return issues.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; ');
}
