/**
 * Waking other processes. Whoever commits something that others may wait for writes one byte to the bell, a
 * file beside the broker file; waiting processes are told by the system (inotify and its like), so that
 * waiting costs nothing. Should a bell be lost, or the system have no such thing, `PRAGMA data_version` is
 * asked at a slow pace.
 */
import { closeSync, constants, type FSWatcher, openSync, watch, writeSync } from 'node:fs';

export interface Bell {
  /** Tells the other processes. Cheap: 5 µs, and no disk flush. */
  ring(): void;
  /** Calls `heard` after any ring, its own included, until the returned function is called. */
  listen(heard: () => void): () => void;
  close(): void;
}

/** Created when missing, never grown: each ring writes over the one byte. */
const OPEN = constants.O_CREAT | constants.O_RDWR;

export function openBell(path: string): Bell {
  const file = `${path}-bell`;
  let descriptor: number | undefined;
  return {
    ring() {
      try {
        descriptor ??= openSync(file, OPEN, 0o600);
        writeSync(descriptor, '.', 0);
      } catch {
        // A full disk, say. The message is committed all the same, and waiting processes poll.
      }
    },
    listen(heard) {
      let watcher: FSWatcher | undefined;
      try {
        descriptor ??= openSync(file, OPEN, 0o600);
        watcher = watch(file, heard);
        watcher.on('error', () => watcher?.close());
      } catch {
        // The watch is a convenience; without it (no room for the file, no inotify instance left) the poll remains.
        watcher = undefined;
      }
      return () => watcher?.close();
    },
    close() {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}
