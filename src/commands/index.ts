/** The ordered list of commands. A new command is one file plus one line here. */
import type { Command } from 'commander';
import type { CommandDeps } from './deps.js';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Imports the command's file: only for the command that is being run. */
  load(): Promise<(deps: CommandDeps) => Command>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'rehearse',
    summary: 'rehearse the whole migration, under faults, in a throwaway folder',
    load: async () => (await import('./rehearse.js')).rehearseCommand,
  },
  {
    name: 'setup',
    summary: 'create exchanges, queues and bindings',
    load: async () => (await import('./setup.js')).setupCommand,
  },
  {
    name: 'publish',
    summary: 'publish events, one or a file of them',
    load: async () => (await import('./publish.js')).publishCommand,
  },
  {
    name: 'tail',
    summary: 'show events as they are published',
    load: async () => (await import('./tail.js')).tailCommand,
  },
  {
    name: 'dlq',
    summary: 'look into dead-letter queues',
    load: async () => (await import('./dlq.js')).dlqCommand,
  },
  {
    name: 'replay-dlq',
    summary: 'bring dead letters back',
    load: async () => (await import('./replay-dlq.js')).replayDlqCommand,
  },
  {
    name: 'shadow',
    summary: 'compare callbacks with events: may the callbacks go?',
    load: async () => (await import('./shadow.js')).shadowCommand,
  },
  {
    name: 'flag',
    summary: 'move from callbacks to events, in stages, and back',
    load: async () => (await import('./flag.js')).flagCommand,
  },
  {
    name: 'events',
    summary: 'show the event catalog',
    load: async () => (await import('./events.js')).eventsCommand,
  },
];
