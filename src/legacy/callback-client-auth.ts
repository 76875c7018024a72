/** What a service knows its callers by: ATMA's shared key, or a token that is made anew while the client runs. */
import { EventsError } from '../core/errors.js';

/**
 * Asked for a token before each request. `renew`: the service has just answered 401 to the last one; a source that keeps
 * its token must get another.
 */
export type TokenSource = (request: {
  readonly service: string;
  readonly renew: boolean;
}) => string | Promise<string>;

export type CallbackAuth =
  /** Sent as `x-service-key`, with `x-internal-service: true`. */
  | { readonly serviceKey: string }
  /** Sent as `authorization: Bearer …`. */
  | { readonly token: string | TokenSource };

/** Printable ASCII without spaces: anything else would not arrive as it is. */
const USABLE = /^[\x21-\x7e]+$/;

/** Throws `usage` on a key or token that cannot be sent; also on none, which is what a variable that is not set gives. */
export function checkAuth(auth: CallbackAuth): void {
  const [what, secret]: readonly [string, unknown] =
    'serviceKey' in auth ? ['service key', auth.serviceKey] : ['service token', auth.token];
  if (typeof secret === 'string' && USABLE.test(secret)) return;
  if (typeof secret === 'function' && !('serviceKey' in auth)) return;
  if (secret === undefined || secret === null || secret === '') {
    throw new EventsError('usage', `callbacks: auth has no ${what}`, {
      hint: 'Is the variable set that it is taken from? To send none, leave "auth" out.',
    });
  }
  // Not quoted: it is a secret, if a broken one.
  throw new EventsError('usage', `callbacks: the ${what} cannot be sent in a header`, {
    hint: 'Expected printable ASCII characters without spaces, at least one. Look for a line feed at its end.',
  });
}

/** Whether the same request may have other credentials the next time. */
export const canRenew = (auth: CallbackAuth | undefined): boolean =>
  auth !== undefined && 'token' in auth && typeof auth.token === 'function';

/** The headers that prove who calls. Rejects with what the token source rejects with, and when its token is unusable. */
export async function authHeaders(
  auth: CallbackAuth | undefined,
  request: { readonly service: string; readonly renew: boolean },
): Promise<Record<string, string>> {
  if (auth === undefined) return {};
  if ('serviceKey' in auth) return { 'x-internal-service': 'true', 'x-service-key': auth.serviceKey };
  const token: unknown = typeof auth.token === 'function' ? await auth.token(request) : auth.token;
  if (typeof token !== 'string' || !USABLE.test(token)) {
    throw Object.assign(new TypeError('no usable token'), { code: 'TOKEN_UNUSABLE' });
  }
  return { authorization: `Bearer ${token}` };
}
