/** Secrets of headers, which no record may hold. */

/** Header names (lower case) whose values are never recorded. */
export const SECRET_HEADERS: readonly string[] = [
  ...['x-service-key', 'authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'],
];

export const REDACTED = '[redacted]';

/** The headers with the values of secret ones replaced. Names in any case. */
export function redactHeaders(
  headers: Readonly<Record<string, string | readonly string[]>>,
  alsoSecret: readonly string[] = [],
): Record<string, string | readonly string[]> {
  const secret = new Set([...SECRET_HEADERS, ...alsoSecret.map((name) => name.toLowerCase())]);
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, secret.has(name.toLowerCase()) ? REDACTED : value]),
  );
}
