/** What a replay would do, for people and as JSON. */
import { nameOf, type Preview } from '../dead-letters/preview.js';
import { lineForPeople } from '../terminal/safe-text.js';
import { renderTable } from '../terminal/table.js';
import { skippedBecause, skippedEntries } from './replay-report.js';

/** The JSON of `--dry-run`. Field names are a public contract; `queues` is there with `--to exchange`. */
export function previewDocument(
  queue: string,
  { rows, skipped }: Preview,
  missingIds: readonly string[],
): object {
  return {
    queue,
    dryRun: true,
    would: rows.map(({ address, queues, type, known, count, invalid }) => ({
      target: nameOf(address),
      ...(address.exchange !== '' && { queues: queues ?? null }),
      type: type ?? null,
      count,
      invalid,
      ...(!known && { unknown: true }),
    })),
    skipped,
    ...(missingIds.length > 0 && { unknownIds: missingIds }),
  };
}

/** What would go where, invalid ones marked. Pure. */
export function renderPreview(queue: string, preview: Preview): string {
  const { rows, skipped } = preview;
  const going = rows.reduce((sum, { count }) => sum + count, 0);
  const lines = [lineForPeople(`Dry run: ${going} of ${queue} would be replayed, nothing was moved.`)];
  if (rows.length > 0) {
    const table = renderTable(
      ['TO', 'EVENT TYPE', 'COUNT', ''],
      rows.map((row) => [
        lineForPeople(nameOf(row.address)),
        lineForPeople(row.type ?? '(none)'),
        String(row.count),
        noteOn(row),
      ]),
    );
    lines.push(indent(table));
  }
  for (const [reason, count] of skippedEntries(skipped)) {
    lines.push(`  ${count} would be skipped: ${skippedBecause(reason)}`);
  }
  lines.push(...renderRoutes(preview));
  return lines.join('\n');
}

/** With `--to exchange`: the queues that each routing key reaches. Empty where nothing goes to an exchange. */
export function renderRoutes({ rows, wiring }: Pick<Preview, 'rows' | 'wiring'>): string[] {
  const routes = new Map<string, readonly string[] | undefined>();
  for (const { address, queues } of rows) if (address.exchange !== '') routes.set(nameOf(address), queues);
  if (routes.size === 0) return [];
  const source =
    wiring === 'broker'
      ? ''
      : ', as the preset or config declares it (the broker does not tell its bindings; others may be bound as well)';
  return [
    `Every queue bound for it gets its own copy${source}:`,
    ...[...routes].map(
      ([route, queues]) => `  ${lineForPeople(route)} -> ${lineForPeople(queuesText(queues))}`,
    ),
  ];
}

function queuesText(queues: readonly string[] | undefined): string {
  if (queues === undefined) return 'not known';
  return queues.length === 0 ? 'no queue' : queues.join(', ');
}

function noteOn({ known, invalid, count }: Preview['rows'][number]): string {
  if (!known) return 'not in the catalog';
  if (invalid === 0) return '';
  return invalid === count ? 'INVALID' : `${invalid} INVALID`;
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}
