/** Sends the callbacks of one fact: all routes of its type at once. */
import { isEventsError } from '../core/errors.js';
import { bodyOf } from '../core/migration/callback-body.js';
import type { CallbackRoute } from '../core/migration/callback-route.js';
import { callbackHeadersOf, type Stamp } from '../core/migration/stamp.js';
import type { CallbackClient } from '../legacy/callback-client.js';
import type { CallbackOutcome } from './dispatched.js';

/** What became of one callback, with the error where it failed. */
export type SentCallback = CallbackOutcome & { readonly error?: unknown };

/** Resolves once every route has been tried; never rejects. In the order of the routes. */
export function sendCallbacks(
  client: Pick<CallbackClient, 'send'>,
  routes: readonly CallbackRoute[],
  stamp: Stamp,
  data: unknown,
  signal?: AbortSignal,
): Promise<SentCallback[]> {
  const headers = callbackHeadersOf(stamp);
  return Promise.all(
    routes.map(async (route): Promise<SentCallback> => {
      const { service, method, path } = route;
      try {
        const body = bodyOf(route, data);
        const { status } = await client.send({
          ...{ service, method, path, body, headers },
          ...(signal !== undefined && { signal }),
        });
        return { service, outcome: 'sent', status };
      } catch (error) {
        const status = statusOf(error);
        return { service, outcome: 'failed', ...(status !== undefined && { status }), error };
      }
    }),
  );
}

function statusOf(error: unknown): number | undefined {
  return isEventsError(error) && 'status' in error && typeof error.status === 'number'
    ? error.status
    : undefined;
}
