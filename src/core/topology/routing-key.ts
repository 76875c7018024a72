/**
 * Topic matching as RabbitMQ does it. A key is words between dots, and words may be empty: 'a..b' has three.
 * The empty key has none (RabbitMQ's splitter says so), hence `#` matches it and `*` does not. In a binding
 * key `*` stands for exactly one word and `#` for any number, none included. Everything else is compared as
 * it is: case and unicode form count.
 */

/** The words of a routing or binding key. */
export function wordsOf(key: string): readonly string[] {
  return key === '' ? [] : key.split('.');
}

/** Whether a topic binding key matches a routing key. */
export function matchesBindingKey(pattern: string, key: string): boolean {
  return matchesWords(wordsOf(pattern), wordsOf(key));
}

/**
 * The same on words. On a mismatch only the latest `#` takes in one more word and the match goes on from
 * there: earlier ones never need another try, so the work is at most pattern times key words, however many
 * `#` there are. (Trying every split would be exponential: `#.#.#.#.#.x` would hang a broker.)
 */
export function matchesWords(pattern: readonly string[], key: readonly string[]): boolean {
  let p = 0;
  let k = 0;
  let hash = -1;
  let resumeAt = 0;
  while (k < key.length) {
    const word = pattern[p];
    if (word === '#') {
      hash = p++;
      resumeAt = k;
    } else if (p < pattern.length && (word === '*' || word === key[k])) {
      p++;
      k++;
    } else if (hash >= 0) {
      p = hash + 1;
      k = ++resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[p] === '#') p++;
  return p === pattern.length;
}
