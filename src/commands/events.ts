import { Command } from 'commander';
import { z } from 'zod';
import { EventsError } from '../core/errors.js';
import type { Catalog, EventDefinition } from '../core/events/catalog.js';
import { openInput } from '../core/events/codec.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { renderTable } from '../terminal/table.js';
import type { CommandDeps, Session } from './deps.js';

/** `events`: what the catalog holds. Needs no broker. */
export function eventsCommand(deps: CommandDeps): Command {
  const run = (command: Command, work: (catalog: Catalog, session: Session) => Promise<void>) =>
    deps.run(command, async (session): Promise<ExitCode> => {
      await work((await session.settings()).system.catalog, session);
      return EXIT.done;
    });
  const command = new Command('events').description(
    'Show the event catalog of the preset or config. Needs no broker.',
  );
  command
    .command('list', { isDefault: true })
    .description('all events')
    .action((_options: object, leaf: Command) => run(leaf, listEvents));
  command
    .command('show')
    .description('one event: where it goes, its fields, its JSON Schema')
    .argument('<event-type>', 'such as analysis.completed')
    .action((type: string, _options: object, leaf: Command) =>
      run(leaf, (catalog, session) => showEvent(catalog.get(type), session)),
    );
  command
    .command('sample')
    .description('valid data of an event, as JSON')
    .argument('<event-type>', 'such as analysis.completed')
    .action((type: string, _options: object, leaf: Command) =>
      run(leaf, (catalog, session) => printSample(catalog.get(type), session)),
    );
  return command.addHelpText(
    'afterAll',
    `
Examples:
  $ atma-events events
  $ atma-events events show analysis.failed
  $ atma-events events sample analysis.completed > completed.json
  $ atma-events publish analysis.completed --data @completed.json`,
  );
}

async function listEvents(catalog: Catalog, { terminal, globals }: Session): Promise<void> {
  if (globals.json) {
    await terminal.json(catalog.definitions.map(summaryOf));
    return;
  }
  await terminal.out(renderEventList(catalog));
}

function summaryOf({ type, version, exchange, routingKey, description }: EventDefinition) {
  return { type, version, exchange, routingKey, description };
}

/** The catalog as a table. */
export function renderEventList(catalog: Catalog): string {
  return renderTable(
    ['EVENT', 'VERSION', 'EXCHANGE', 'ROUTING KEY', 'DESCRIPTION'],
    catalog.definitions.map((event) => [
      event.type,
      String(event.version),
      event.exchange,
      event.routingKey,
      event.description,
    ]),
  );
}

async function showEvent(definition: EventDefinition, { terminal, globals }: Session): Promise<void> {
  const schema = z.toJSONSchema(definition.schema, { io: 'input', unrepresentable: 'any' });
  if (globals.json) {
    await terminal.json({ ...summaryOf(definition), wire: definition.wire, schema });
    return;
  }
  const { type, version, description, exchange, routingKey, wire } = definition;
  const body = wire === 'flat' ? 'the data, with eventType and timestamp beside them' : 'the data';
  await terminal.out(
    [
      `${type}, version ${version}${description ? `: ${description}` : ''}`,
      `exchange     ${exchange}`,
      `routing key  ${routingKey}`,
      `body         ${body}`,
      `schema       ${JSON.stringify(schema, undefined, 2)}`,
    ].join('\n'),
  );
}

async function printSample(definition: EventDefinition, { terminal, globals }: Session): Promise<void> {
  if (definition.sample === undefined) {
    throw new EventsError('usage', `The catalog has no sample of ${definition.type}`, {
      hint: 'Give its definition a "sample".',
    });
  }
  const { data } = openInput(definition, definition.sample);
  await (globals.json ? terminal.json(data) : terminal.out(JSON.stringify(data, undefined, 2)));
}
