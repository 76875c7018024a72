/** A file that a service appends lines of JSON to, read as it grows. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import type { FilePiece, FilePlace, RunItem } from './run-item.js';

export interface SpoolOptions {
  readonly path: string;
  /** Name of the source. */
  readonly source: string;
  /** What its lines are. */
  readonly holds: FilePiece['holds'];
  readonly put: (item: RunItem) => void;
}

export interface Spool {
  readonly source: string;
  /** Reads on from there; undefined: from its start. To be called whenever what was put since may be lost. */
  goTo(place: FilePlace | undefined): void;
  /**
   * Reads what there is, a megabyte at most, and tells how far that goes. Never throws: what cannot be read is a stall,
   * or a gap. `now` in milliseconds since 1970.
   */
  read(now: number): void;
  close(): void;
}

const CHUNK = 1024 * 1024;
const LONGEST_LINE = 16 * 1024 * 1024;
/** A service may take this long from what happened to its line. Milliseconds. */
const WRITER_MS = 2_000;
const LF = 0x0a;

export function openSpool({ path, source, holds, put }: SpoolOptions): Spool {
  let fd: number | undefined;
  /** 0 until the file has been seen. */
  let inode = 0;
  /** Start of the first line that was not put. */
  let offset = 0;
  let buffer = Buffer.alloc(CHUNK);
  let isDown = true;
  let lastRead = 0;

  const close = () => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  const lose = (now: number, what: string) => {
    put({ kind: 'gap', source, from: lastRead || now, to: now });
    put({ kind: 'doubt', text: `${source} ${what}` });
  };
  /** Follows the name: a file that was put in its place is read from its start. */
  const open = (now: number): number => {
    const named = statSync(path).ino;
    if (fd !== undefined && named === inode && fstatSync(fd).size >= offset) return fd;
    close();
    const opened = openSync(path, 'r');
    fd = opened;
    const { ino, size } = fstatSync(opened);
    if (inode !== 0 && (ino !== inode || size < offset)) {
      // What was appended to the former file since the last look is not known.
      lose(now, 'was replaced or cut short while it was read: let it grow instead.');
      offset = 0;
    }
    inode = ino;
    return opened;
  };

  return {
    source,
    goTo(place) {
      close();
      ({ inode, offset } = place ?? { inode: 0, offset: 0 });
    },
    read(now) {
      try {
        const file = open(now);
        const count = readSync(file, buffer, 0, buffer.length, offset);
        const isFull = count === buffer.length;
        const end = buffer.subarray(0, count).lastIndexOf(LF) + 1;
        if (isDown) put({ kind: 'up', source, at: now });
        isDown = false;
        if (end === 0 && isFull) {
          // No line ends in it.
          if (count < LONGEST_LINE) buffer = Buffer.alloc(count * 2);
          else {
            lose(now, `has a line of more than ${LONGEST_LINE / CHUNK} MiB: it was passed over.`);
            offset += count;
          }
        }
        offset += end;
        const text = buffer.toString('utf8', 0, end);
        const upTo = isFull ? null : now - WRITER_MS;
        put({ kind: 'file', source, holds, text, place: { inode, offset }, upTo });
        if (end > 0 && buffer.length > CHUNK) buffer = Buffer.alloc(CHUNK);
        lastRead = now;
      } catch {
        // Not there yet, or not readable: legs wait for it, and the run says that it has stalled.
        if (!isDown || lastRead === 0) put({ kind: 'down', source, at: now });
        isDown = true;
        lastRead ||= now;
      }
    },
    close,
  };
}
