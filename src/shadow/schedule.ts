/** A binary heap of what is due next. Each entry knows its place, so that it can be moved and taken out. */

export interface Due {
  /** Milliseconds since 1970. */
  due: number;
  /** Breaks ties; unique. */
  readonly seq: number;
  /** Place in the heap, -1 outside. Only the schedule writes it. */
  slot: number;
}

export interface Schedule<T extends Due> {
  /** Puts it in, or where it belongs after its `due` has changed. */
  place(entry: T): void;
  remove(entry: T): void;
  first(): T | undefined;
}

export function createSchedule<T extends Due>(): Schedule<T> {
  const heap: T[] = [];
  const isBefore = (a: T, b: T) => a.due < b.due || (a.due === b.due && a.seq < b.seq);
  const put = (entry: T, slot: number) => {
    heap[slot] = entry;
    entry.slot = slot;
  };
  const rise = (entry: T) => {
    let slot = entry.slot;
    while (slot > 0) {
      const parent = heap[(slot - 1) >> 1];
      if (parent === undefined || !isBefore(entry, parent)) break;
      const above = parent.slot;
      put(parent, slot);
      slot = above;
    }
    put(entry, slot);
  };
  const sink = (entry: T) => {
    let slot = entry.slot;
    for (;;) {
      const left = heap[2 * slot + 1];
      const right = heap[2 * slot + 2];
      const child = left !== undefined && right !== undefined && isBefore(right, left) ? right : left;
      if (child === undefined || !isBefore(child, entry)) break;
      const below = child.slot;
      put(child, slot);
      slot = below;
    }
    put(entry, slot);
  };
  return {
    place(entry) {
      if (entry.slot === -1) {
        entry.slot = heap.length;
        heap.push(entry);
      }
      rise(entry);
      sink(entry);
    },
    remove(entry) {
      if (entry.slot === -1) return;
      const { slot } = entry;
      const last = heap.pop();
      entry.slot = -1;
      if (last === undefined || last === entry) return;
      put(last, slot);
      rise(last);
      sink(last);
    },
    first: () => heap[0],
  };
}
