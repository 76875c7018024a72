/** Upstreams of the command line, and which callback goes to which. */
import { InvalidArgumentError } from 'commander';
import { EventsError } from '../core/errors.js';
import { parseShadowMapping, type ShadowMapping } from '../core/shadow-mapping.js';
import { type ChooseUpstream, routeByPrefix } from '../legacy/upstreams.js';

/** Collects `name=url`. */
export function upstream(text: string, all: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name, url] = /^([^=\s]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || url === undefined) {
    throw new InvalidArgumentError('Expected NAME=URL, such as notification=http://localhost:3005.');
  }
  if (Object.hasOwn(all, name)) throw new InvalidArgumentError(`"${name}" was given twice.`);
  return { ...all, [name]: url };
}

/**
 * The mapping's paths, aliases too, go to the upstream that has the consumer's name; so does all that begins with the
 * same segment, where no other consumer has it. Throws `usage` for a name that is no consumer, and for a consumer without
 * an upstream, where there are several.
 */
export function routeOf(mapping: ShadowMapping, upstreams: Readonly<Record<string, string>>): ChooseUpstream {
  const names = Object.keys(upstreams);
  const [only] = names;
  if (names.length === 1 && only !== undefined) return () => only;
  const paths = parseShadowMapping(mapping).legs.flatMap(({ consumer, callback }) =>
    callback === undefined ? [] : [callback.path, ...callback.aliases].map((path) => ({ consumer, path })),
  );
  const consumers = [...new Set(paths.map(({ consumer }) => consumer))];
  const strange = names.find((name) => !consumers.includes(name));
  const missing = consumers.find((consumer) => !names.includes(consumer));
  const wrong = strange ?? missing;
  if (wrong !== undefined) {
    throw new EventsError(
      'usage',
      strange === undefined
        ? `No upstream for the callbacks of "${wrong}"`
        : `Upstream "${wrong}" is none of the consumers that the mapping has callbacks for`,
      { hint: `Name one for each of: ${consumers.join(', ')}; or a single one, for all callbacks.` },
    );
  }
  const segments = new Map<string, Set<string>>();
  for (const { consumer, path } of paths) {
    const first = `/${path.split('/')[1] ?? ''}`;
    segments.set(first, (segments.get(first) ?? new Set()).add(consumer));
  }
  return routeByPrefix([
    ...paths.map(({ consumer, path }) => ({ prefix: path, upstream: consumer })),
    ...[...segments].flatMap(([prefix, own]) => {
      const [consumer] = own;
      return own.size === 1 && consumer !== undefined ? [{ prefix, upstream: consumer }] : [];
    }),
  ]);
}
