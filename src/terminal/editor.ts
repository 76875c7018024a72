/** A text in the person's own editor, as `git commit` opens one. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventsError } from '../core/errors.js';
import type { Terminal } from './io.js';

export interface EditorFile {
  readonly path: string;
  /**
   * Opens the editor on it, and gives what it holds afterwards; undefined when the editor ended in an error, which is
   * how one says "never mind" (`:cq`). May be called again. Rejects with `usage` when the editor cannot be started, and
   * with the signal's reason when that fired.
   */
  edit(signal: AbortSignal): Promise<Buffer | undefined>;
  /** Idempotent. */
  remove(): void;
  /** From now on it stays when the process ends by itself: what was typed is nowhere else. */
  keep(): void;
  readonly isKept: boolean;
}

/**
 * A file with this content (mode 0600, in a folder of its own) for `$VISUAL`, else `$EDITOR`, else `vi`. The caller
 * removes it.
 */
export function openInEditor(terminal: Terminal, name: string, content: Buffer): EditorFile {
  const folder = mkdtempSync(join(tmpdir(), 'atma-events-edit-'));
  const path = join(folder, name);
  let isKept = false;
  const remove = () => rmSync(folder, { recursive: true, force: true });
  // A second Ctrl-C ends the process at once, and the file may hold personal data.
  process.once('exit', remove);
  writeFileSync(path, content, { mode: 0o600 });
  return {
    path,
    async edit(signal) {
      return (await succeeds(terminal, path, signal)) ? readFileSync(path) : undefined;
    },
    remove() {
      process.off('exit', remove);
      remove();
    },
    keep() {
      isKept = true;
      process.off('exit', remove);
    },
    get isKept() {
      return isKept;
    },
  };
}

function succeeds({ streams }: Terminal, path: string, signal: AbortSignal): Promise<boolean> {
  const { environment, stdout } = streams;
  const editor = environment.VISUAL || environment.EDITOR || 'vi';
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    // Through the shell, for an editor with arguments (`code --wait`). With stdout in a pipe the screen is stderr's.
    const stdio: ('inherit' | number)[] = ['inherit', stdout.isTTY ? 'inherit' : 2, 'inherit'];
    const child =
      process.platform === 'win32'
        ? spawn(`${editor} "${path}"`, { stdio, shell: true })
        : spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', path], { stdio });
    const onAbort = () => child.kill('SIGTERM');
    signal.addEventListener('abort', onAbort, { once: true });
    child.on('error', (cause) => reject(notStarted(editor, cause)));
    child.on('close', (exitCode) => {
      signal.removeEventListener('abort', onAbort);
      if (signal.aborted) reject(signal.reason);
      else if (exitCode === 127 || exitCode === 126) reject(notStarted(editor));
      else resolve(exitCode === 0);
    });
  });
}

function notStarted(editor: string, cause?: unknown): EventsError {
  return new EventsError('usage', `The editor "${editor}" cannot be started: nothing was changed`, {
    hint: 'Set VISUAL or EDITOR, or pass the edited body with --body FILE.',
    cause,
  });
}
