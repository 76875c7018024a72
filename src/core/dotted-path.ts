/** Dotted paths into JSON bodies: `metadata.processingTime`. */

/** Split once. */
export type Path = readonly string[];

export const splitPath = (path: string): Path => path.split('.');

/** The value at a path; undefined when it is not there. Only own keys count: a body may be anything. */
export function valueAt(body: unknown, path: Path): unknown {
  let value = body;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/** The value at the first of the paths that is there. */
export function firstAt(body: unknown, paths: readonly Path[]): unknown {
  for (const path of paths) {
    const value = valueAt(body, path);
    if (value !== undefined) return value;
  }
  return undefined;
}
