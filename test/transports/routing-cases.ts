/** Random binding sets and routing keys for the differential test, from a seed that reproduces them. */

/** A number in [0, 1), the next of a sequence that the seed decides (mulberry32). */
export type Random = () => number;

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface RoutingCase {
  readonly type: 'topic' | 'direct' | 'fanout';
  /** Binding keys per queue; some queues have none. */
  readonly bindings: readonly (readonly string[])[];
  readonly keys: readonly string[];
}

/** AMQP short strings hold 255 bytes. */
const KEY_BYTES = 255;
/** Few plain words, so that keys and patterns meet often; the rest are the awkward ones. */
const WORDS = [
  'a',
  'b',
  'c',
  'a',
  'b',
  '',
  'ab',
  'A',
  '**',
  '##',
  '*a',
  '#b',
  'é',
  'e\u0301',
  '語',
  '👍',
  ' ',
  '\t',
  '%',
];

/**
 * In one case of ten some keys and patterns are long, and no pattern has more than two `#`: RabbitMQ's trie
 * tries every split, and five `#` against a hundred words keep it busy for minutes.
 */
export function routingCase(random: Random, queues: number, keyCount: number): RoutingCase {
  const kind = random();
  const type = kind < 0.9 ? 'topic' : kind < 0.97 ? 'direct' : 'fanout';
  const long = random() < 0.1;
  const bindings = Array.from({ length: queues }, () =>
    random() < 0.1 ? [] : Array.from({ length: 1 + below(random, 4) }, () => dotted(random, 0.35, long)),
  );
  const patterns = bindings.flat();
  const keys = Array.from({ length: keyCount }, () => {
    const pattern = patterns[below(random, patterns.length || 1)];
    // Half of the keys grow out of a pattern: random ones alone would seldom match the longer patterns.
    return pattern !== undefined && random() < 0.5 ? grown(random, pattern) : dotted(random, 0.05, long);
  });
  return { type, bindings, keys };
}

/** A dotted key. `wild` is the share of words that are `*` or `#`. */
function dotted(random: Random, wild: number, long: boolean): string {
  const length = long && random() < 0.3 ? 30 + below(random, 100) : below(random, 6);
  let hashes = long ? 2 : 5;
  const words = Array.from({ length }, () => {
    if (random() >= wild) return word(random);
    if (random() < 0.5 || hashes === 0) return '*';
    hashes -= 1;
    return '#';
  });
  const edge = random();
  if (edge < 0.05) words.unshift('');
  else if (edge < 0.1) words.push('');
  return fitting(words.join('.'));
}

/** A key that the pattern probably takes, sometimes with one thing wrong. */
function grown(random: Random, pattern: string): string {
  const words = pattern.split('.').flatMap((part) => {
    if (part === '*') return [word(random)];
    if (part === '#') return Array.from({ length: below(random, 4) }, () => word(random));
    return [part];
  });
  if (random() < 0.3) words.splice(below(random, words.length + 1), below(random, 2), word(random));
  return fitting(words.join('.'));
}

function word(random: Random): string {
  if (random() < 0.01) return 'long'.repeat(below(random, 70));
  return WORDS[below(random, WORDS.length)] ?? '';
}

function fitting(key: string): string {
  let fit = key;
  while (Buffer.byteLength(fit) > KEY_BYTES) fit = Array.from(fit).slice(0, -1).join('');
  return fit;
}

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}
