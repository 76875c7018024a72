/**
 * Where rows are, by the hash of their key: 8 bytes a slot, so that a million rows on disk take some 20 MB of memory
 * and a key that is not there takes no look at the disk. An index in the file would be written in random places.
 */
export interface KeyIndex {
  add(hash: number, row: number): void;
  remove(hash: number, row: number): void;
  /** Rows whose key may have this hash. */
  rows(hash: number): readonly number[];
  readonly size: number;
}

const SMALLEST = 1 << 12;
/** Beyond this share of slots in use, the table doubles. */
const FULL = 0.7;
const NONE: readonly number[] = [];

/** Rows are whole numbers from 1 to 2^32 − 1, hashes any whole number. */
export function createKeyIndex(): KeyIndex {
  let hashes = new Uint32Array(SMALLEST);
  /** 0: the slot is free. */
  let rows = new Uint32Array(SMALLEST);
  let size = 0;

  const home = (hash: number) => (Math.imul(hash, 0x9e3779b1) >>> 0) & (rows.length - 1);
  const next = (slot: number) => (slot + 1) & (rows.length - 1);
  const insert = (hash: number, row: number) => {
    let slot = home(hash);
    while (rows[slot] !== 0) slot = next(slot);
    hashes[slot] = hash;
    rows[slot] = row;
  };
  const grow = () => {
    const old = { hashes, rows };
    hashes = new Uint32Array(2 * old.rows.length);
    rows = new Uint32Array(2 * old.rows.length);
    for (const [slot, row] of old.rows.entries()) if (row !== 0) insert(old.hashes[slot] ?? 0, row);
  };
  /** Frees a slot and moves up what would no longer be found behind it. */
  const free = (from: number) => {
    let hole = from;
    for (let slot = next(hole); rows[slot] !== 0; slot = next(slot)) {
      const wanted = home(hashes[slot] ?? 0);
      const isBetween = hole <= slot ? hole < wanted && wanted <= slot : hole < wanted || wanted <= slot;
      if (isBetween) continue;
      hashes[hole] = hashes[slot] ?? 0;
      rows[hole] = rows[slot] ?? 0;
      hole = slot;
    }
    rows[hole] = 0;
  };

  return {
    add(hash, row) {
      if (!(row >= 1 && row <= 0xffffffff)) throw new RangeError(`row ${row} does not fit the index`);
      if (size + 1 > FULL * rows.length) grow();
      insert(hash >>> 0, row);
      size++;
    },
    remove(hash, row) {
      let slot = home(hash >>> 0);
      while (rows[slot] !== 0 && rows[slot] !== row) slot = next(slot);
      if (rows[slot] === 0) return;
      free(slot);
      size--;
    },
    rows(hash) {
      let found: number[] | undefined;
      for (let slot = home(hash >>> 0); rows[slot] !== 0; slot = next(slot)) {
        if (hashes[slot] !== hash >>> 0) continue;
        found ??= [];
        found.push(rows[slot] ?? 0);
      }
      return found ?? NONE;
    },
    get size() {
      return size;
    },
  };
}
