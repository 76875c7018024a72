import { Command } from 'commander';
import { type Change, planTopology, type TopologyPlan } from '../core/topology/plan.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import type { Terminal } from '../terminal/io.js';
import { confirm } from '../terminal/prompt.js';
import { safeLine } from '../terminal/safe-text.js';
import { type CommandDeps, type Session, untilAborted } from './deps.js';

interface SetupOptions {
  readonly dryRun: boolean;
  readonly check: boolean;
  readonly yes: boolean;
}

/** `setup`: exchanges, queues and bindings as declared. */
export function setupCommand(deps: CommandDeps): Command {
  return new Command('setup')
    .description(
      'Create the exchanges, queues and bindings that the preset or config declares. Nothing is ever changed or deleted.',
    )
    .option('--dry-run', 'show the plan, change nothing', false)
    .option('--check', 'change nothing, and exit 4 if anything is missing or different', false)
    .option('-y, --yes', 'do not ask on a terminal', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events setup --dry-run --url amqp://localhost:5672
  $ atma-events setup --yes --profile staging
  $ atma-events setup --check --json      in CI: exit 0 as declared, 4 not, 5 unreachable

On RabbitMQ it looks through the management API (RABBITMQ_MANAGEMENT_URL or the config's managementUrl; default: port
15672 of the same host). Without it, bindings cannot be verified, and setup says so.

A queue that exists with other arguments is a conflict: setup then changes nothing and exits 4.
JSON: {"transport","changes":[{"action","kind","name","reason"?}],"applied"}`,
    )
    .action((options: SetupOptions, command: Command) =>
      deps.run(command, (session) => runSetup(options, session)),
    );
}

async function runSetup(options: SetupOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals } = session;
  const settings = await session.settings();
  const { topology } = settings.system;
  // Looking must not create the file of a fresh embedded broker.
  const transport = await session.openLazily(settings);
  const plan = planTopology(topology, await untilAborted(transport.inspect(topology), session.signal));
  const finish = async (applied: boolean, exitCode: ExitCode) => {
    if (globals.json) {
      const changes = plan.changes.map(({ action, kind, name, reason }) => ({
        action,
        kind,
        name,
        ...(reason && { reason }),
      }));
      await terminal.json({ transport: transport.scheme, changes, applied });
    }
    return exitCode;
  };

  terminal.note(`${settings.origin} on ${transport.address}`);
  if (!globals.json) await terminal.out(renderPlan(plan, terminal));
  if (plan.unverified > 0) terminal.warn(unverifiedText(plan));
  if (plan.conflicts > 0) {
    terminal.warn(
      `${count(plan.conflicts, 'conflict')}: nothing was changed. A broker cannot change a queue or an exchange in place: ` +
        'either declare it with the attributes it has, or empty and delete it, then run setup again.',
    );
    return finish(false, EXIT.difference);
  }
  if (options.check) {
    if (!globals.json) await terminal.out(renderCheck(plan));
    return finish(false, plan.creates > 0 ? EXIT.difference : EXIT.done);
  }
  if (options.dryRun) {
    if (!globals.json)
      await terminal.out(`Dry run: ${count(plan.creates, 'thing')} would be created, nothing was.`);
    return finish(false, EXIT.done);
  }
  if (plan.creates > 0 && !options.yes && terminal.interactive) {
    const answer = await confirm(
      terminal,
      `Create ${count(plan.creates, 'thing')} on ${transport.address}?`,
      true,
      session.signal,
    );
    if (!answer) {
      terminal.note('Nothing was changed.');
      return finish(false, EXIT.interrupted);
    }
  }
  await transport.apply(plan.toApply);
  if (!globals.json) await terminal.out(renderOutcome(plan));
  return finish(true, EXIT.done);
}

const MARKS = { create: '+', keep: '=', conflict: '!' } as const;

/** One line per exchange, queue and binding. Pure but for the terminal's colours. */
export function renderPlan(plan: TopologyPlan, { style }: Pick<Terminal, 'style'>): string {
  const paint = { create: style.green, keep: style.dim, conflict: style.red };
  return plan.changes
    .map((change) =>
      paint[change.action](`${MARKS[change.action]} ${change.action.padEnd(8)} ${describe(change)}`),
    )
    .join('\n');
}

function describe({ kind, name, reason }: Change): string {
  return safeLine(`${kind.padEnd(8)} ${name}${reason ? `: ${reason}` : ''}`);
}

function renderCheck({ creates, unverified }: TopologyPlan): string {
  if (creates > 0) return `${count(creates, 'thing')} missing: run setup.`;
  return unverified === 0
    ? 'Everything is as declared.'
    : `Nothing is known to be missing; ${count(unverified, 'thing')} could not be verified.`;
}

function renderOutcome({ creates, unverified, changes }: TopologyPlan): string {
  if (creates === 0 && unverified === 0) return 'Nothing to do: everything is as declared.';
  const again = unverified === 0 ? '' : `, declared ${unverified} again that could not be verified`;
  return `Created ${creates}${again}, kept ${changes.length - creates - unverified}.`;
}

function unverifiedText(plan: TopologyPlan): string {
  const reason = plan.changes.find((change) => !change.verified)?.reason ?? '';
  return `${count(plan.unverified, 'thing')} could not be verified: ${reason}`;
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}
