/** Where a callback goes: upstreams by name, chosen by the start of the path. */
import { EventsError } from '../core/errors.js';

/** Callbacks whose path begins with `prefix` (whole segments) go to `upstream`. */
export interface UpstreamRoute {
  readonly prefix: string;
  readonly upstream: string;
}

export interface Upstream {
  readonly name: string;
  readonly url: URL;
}

/** Name of the upstream for a request target, or undefined when there is none. */
export type ChooseUpstream = (target: string) => string | undefined;

/** The route with the longest prefix that fits. `/notifications` fits `/notifications/x` and not `/notificationsx`. */
export function routeByPrefix(routes: readonly UpstreamRoute[]): ChooseUpstream {
  const longestFirst = routes
    .map(({ prefix, upstream }) => ({ prefix: prefix.replace(/\/+$/, ''), upstream }))
    .toSorted((a, b) => b.prefix.length - a.prefix.length);
  return (target) => {
    const path = target.replace(/[?#].*$/s, '');
    return longestFirst.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))?.upstream;
  };
}

/**
 * Checked upstreams. Throws `usage` for a URL that is not plain http or https with a host: credentials, a query or a
 * fragment would have no place in the forwarded request.
 */
export function readUpstreams(urls: Readonly<Record<string, string | URL>>): Map<string, Upstream> {
  const upstreams = new Map(
    Object.entries(urls).map(([name, text]) => [
      name,
      { name, url: plainHttpUrl(`upstream "${name}"`, text) },
    ]),
  );
  if (upstreams.size > 0) return upstreams;
  throw new EventsError('usage', 'The proxy has no upstream', {
    hint: 'Name at least one, such as notification=http://localhost:3005.',
  });
}

/** The request target at the upstream: below the path of its URL, else untouched. */
export function targetAt({ url }: Upstream, target: string): string {
  return url.pathname.replace(/\/+$/, '') + target;
}

/** The path and query of a request target, which may be a whole URL (RFC 9112 section 3.2.2). */
export function originForm(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '');
  return path === '' || path.startsWith('?') ? `/${path}` : path;
}

/**
 * The URL of a service, such as `upstream "notification"`. Throws `usage` unless it is plain http or https with a host, and a
 * path at most.
 */
export function plainHttpUrl(what: string, text: string | URL): URL {
  const url = text instanceof URL ? text : URL.canParse(text) ? new URL(text) : null;
  const plain =
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.username === '' &&
    url.password === '' &&
    url.search === '' &&
    url.hash === '';
  if (plain) return url;
  // Not quoted: it may hold a password.
  throw new EventsError('usage', `The URL of ${what} cannot be used`, {
    hint: 'Expected http://HOST:PORT or https://HOST:PORT, with a path where the service has one; no user, password or query.',
  });
}
