/** Crockford's alphabet: nothing in it is mistaken for something else, read aloud or copied by hand. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const LENGTH = 8;

/** Eight letters and digits, 40 bits. */
export function newReplayId(randomBytes: (size: number) => Buffer): string {
  return [...randomBytes(LENGTH)].map((byte) => ALPHABET[byte & 31]).join('');
}
