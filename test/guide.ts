/** What a guide shows, and what its commands really print. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Guide {
  /** The lines that it shows for a command, made stable. `which`: the first time that it shows it is 0. */
  shown(command: string, which?: number): string[];
}

/** A guide of docs/guides. `stable` takes out of a line what differs from run to run. */
export function readGuide(file: string, stable: (line: string) => string): Guide {
  const text = readFileSync(fileURLToPath(new URL(`../docs/guides/${file}`, import.meta.url)), 'utf8');
  return {
    shown(command, which = 0) {
      const blocks = text.split('```console\n').filter((each) => each.startsWith(`$ ${command}\n`));
      const block = blocks[which];
      if (block === undefined) throw new Error(`the guide does not show "${command}"`);
      return block.slice(0, block.indexOf('\n```')).split('\n').slice(1).map(stable);
    },
  };
}

/**
 * Of the lines that are shown, those that were not printed in their order: a line `…` stands for any number of lines, and
 * one that ends in `…` for how a line begins.
 */
export function notPrinted(shown: readonly string[], printed: readonly string[]): string[] {
  const missing: string[] = [];
  let at = 0;
  let mayLeap = false;
  for (const line of shown) {
    if (line === '…') {
      mayLeap = true;
      continue;
    }
    const isIt = (each: string) =>
      line.endsWith('…') ? each.startsWith(line.slice(0, -1).trimEnd()) : each === line;
    const found = mayLeap ? printed.findIndex((each, index) => index >= at && isIt(each)) : at;
    if (found === -1 || !isIt(printed[found] ?? '')) missing.push(line);
    else at = found + 1;
    mayLeap = false;
  }
  return missing;
}
