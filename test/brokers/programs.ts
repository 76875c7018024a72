/** Programs that tests run where they are installed. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The full path of a program on PATH, looked up as `scripts/brokers.mjs` does; undefined without it. */
export function findProgram(name: string, path = process.env.PATH ?? ''): string | undefined {
  const folders = path.split(delimiter);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
