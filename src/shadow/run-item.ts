/** What the sources of a live run tell, in their order. Plain data: it goes to a thread of its own. */
export type RunItem =
  /** One line as the proxy writes it: text, for that is quicker handed to a thread than an object, and its size is known. */
  | { readonly kind: 'callback'; readonly source: string; readonly line: string }
  /** One line as `tail` writes it. `sentAt`: when it left, by its publisher's clock. */
  | { readonly kind: 'event'; readonly source: string; readonly line: string; readonly sentAt?: number }
  | FilePiece
  /** It has told everything up to then. Milliseconds since 1970, as all times here. */
  | { readonly kind: 'watermark'; readonly source: string; readonly at: number }
  /** It tells everything from then on. Until the first of these, a source has not begun, or is not back yet. */
  | { readonly kind: 'up'; readonly source: string; readonly at: number }
  /** From then on it may miss something, until it is up. */
  | { readonly kind: 'down'; readonly source: string; readonly at: number }
  | { readonly kind: 'gap'; readonly source: string; readonly from: number; readonly to: number }
  /** The flag file as it is: its hash; null where there is none. `at`: when that was seen. */
  | { readonly kind: 'flag'; readonly hash: string | null; readonly at: number }
  /** Why nothing can be said for certain, in words. */
  | { readonly kind: 'doubt'; readonly text: string };

/** Whole lines of a file that a service appends to. */
export interface FilePiece {
  readonly kind: 'file';
  readonly source: string;
  readonly holds: 'callback' | 'event';
  readonly text: string;
  /** Where it ends. */
  readonly place: FilePlace;
  /** Its watermark, where this was all that there is; else null. */
  readonly upTo: number | null;
}

/** How far a file has been read: with the observations themselves it becomes durable, so that none is taken twice or never. */
export interface FilePlace {
  readonly inode: number;
  /** Bytes. */
  readonly offset: number;
}

/** By source; none: from its start. */
export type FilePlaces = Readonly<Record<string, FilePlace>>;

/** What it takes in memory while it waits, in bytes, about. */
export function sizeOf(item: RunItem): number {
  const small = 100;
  if (item.kind === 'file') return small + item.text.length;
  return 'line' in item ? small + item.line.length : small;
}
