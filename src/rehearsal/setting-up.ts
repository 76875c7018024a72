/** Sets the scene: folder, broker, forwarders, commands, services, and those who watch. Each is handed to `onEnd` as it comes up. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lineForPeople } from '../core/safe-text.js';
import type { Topology } from '../core/topology/model.js';
import type { Transport } from '../core/transport.js';
import { atma } from '../presets/atma.js';
import type { Environment } from '../presets/preset.js';
import { type CallbackFaults, createCallbackFaults, epochOf } from './callback-faults.js';
import { createChildren } from './children.js';
import { createDriving } from './driving.js';
import { watchEffects } from './effects-watch.js';
import { createFactBook } from './facts.js';
import { startForwarder } from './forwarder.js';
import { watchHealth } from './health-watch.js';
import { configOf } from './limits.js';
import { liveOf, type RehearsalLive } from './live.js';
import { type Names, namesOf, RETRY_DELAYS_MS, removals } from './names.js';
import type { Happening, RehearsalPlan, Scene } from './scene.js';
import { createService } from './services.js';
import { startShadowWatch } from './shadow-watch.js';
import { startTcpLine } from './tcp-line.js';
import { createTool, expectExit } from './tool.js';
import { waitUntilWith } from './waiting.js';

export interface RehearsalOptions {
  readonly plan: RehearsalPlan;
  /** A folder of its own, which is there and empty. */
  readonly folder: string;
  /** A RabbitMQ; undefined: an embedded broker in the folder. */
  readonly url: string | undefined;
  /** bin/atma-events.js and examples/atma. */
  readonly bin: string;
  readonly examples: string;
  /** Of the process: what services and commands need to run at all is taken from it, and nothing that the product reads. */
  readonly environment: Environment;
}

export interface RehearsalDeps {
  /** A transport that is closed by whoever gives it, after the rehearsal. */
  readonly openTransport: (url: string) => Promise<Transport>;
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly tell: (happening: Happening) => void;
  /** Told as soon as there is something to look at. */
  readonly onLive?: (live: RehearsalLive) => void;
}

export type Release = () => Promise<unknown> | unknown;

export async function setUp(
  options: RehearsalOptions,
  { openTransport, signal, now, tell, onLive }: RehearsalDeps,
  onEnd: (release: Release) => void,
): Promise<{ readonly scene: Scene; readonly problems: readonly string[] }> {
  const { plan, folder, bin, examples } = options;
  const names = namesOf(options.url === undefined ? '' : `rehearsal_${randomBytes(4).toString('hex')}_`);
  const { topology, shadow } = atma.build(names.environment);
  const brokerUrl = options.url ?? `embedded:${join(folder, 'broker.db')}`;
  mkdirSync(join(folder, 'flag'));
  writeFileSync(join(folder, 'atma-events.config.json'), configOf(plan.limits, shadow?.legs ?? []));

  const transport = await openTransport(brokerUrl);
  if (options.url !== undefined) onEnd(() => removeOurs(transport, names, topology));
  const children = createChildren();
  onEnd(() => children.killAll());
  const line = options.url === undefined ? undefined : await startTcpLine(options.url);
  if (line !== undefined) onEnd(() => line.close());

  const common = {
    ...bareEnvironment(options.environment),
    ...names.environment,
    ATMA_EVENTS_FLAG_FILE: join(folder, 'flag', 'flags.json'),
  };
  const tool = createTool({
    ...{ children, bin, signal, directory: folder, log: join(folder, 'commands.log') },
    environment: {
      ...common,
      ATMA_EVENTS_URL: brokerUrl,
      ATMA_EVENTS_USER: 'rehearsal',
      XDG_STATE_HOME: folder,
    },
  });
  tell({ kind: 'step', text: lineForPeople(`setup on ${transport.address}`) });
  expectExit(await tool.run('setup', '--yes'), 0);

  const callbacks = createCallbackFaults();
  const way = await openWay(callbacks, (path) => serviceOf(path).url(), onEnd);
  const own = {
    ...{ children, examples, folder },
    environment: {
      ...common,
      ...{ RABBITMQ_URL: line?.url ?? brokerUrl, ATMA_BREAK: options.environment.ATMA_BREAK ?? '' },
      ...{ NOTIFICATION_SERVICE_URL: way.url, ASSESSMENT_SERVICE_URL: way.url },
      INTERNAL_SERVICE_KEY: randomBytes(16).toString('hex'),
      RETRY_DELAYS_MS: RETRY_DELAYS_MS.join(','),
      CIRCUIT_OPEN_MS: String(CIRCUIT_OPEN_MS),
    },
  };
  const services: Scene['services'] = {
    'analysis-worker': createService('analysis-worker', own),
    'notification-service': createService('notification-service', own),
    'assessment-service': createService('assessment-service', own),
  };
  const serviceOf = (path: string) =>
    services[path.startsWith('/notifications') ? 'notification-service' : 'assessment-service'];
  const all = Object.values(services);
  tell({ kind: 'step', text: 'starting the worker and both services' });
  await Promise.all(all.map((service) => service.start()));

  const book = createFactBook();
  const health = watchHealth(all);
  onEnd(() => health.stop());
  const effects = watchEffects(book, [
    { service: 'notification', url: services['notification-service'].url },
    { service: 'assessment', url: services['assessment-service'].url },
  ]);
  onEnd(() => effects.stop());
  const waitUntil = waitUntilWith(signal);
  const where: Scene['where'] = { leg: 'off', verdict: undefined };
  onLive?.(liveOf({ book, health, where }));

  const problems: string[] = [];
  const scene: Scene = {
    ...{ plan, folder, names, tool, transport, line, services, callbacks, book, effects, health },
    ...{ waitUntil, signal, now, where },
    driving: createDriving({ transport, names, book, rate: plan.rate, signal }),
    laidAside: new Set(),
    epochSeen: way.epochSeen,
    async withShadow(name, work) {
      const upstream = way.upstream;
      const watch = await startShadowWatch(name, {
        tool,
        folder,
        limits: plan.limits,
        upstream,
        waitUntil,
        now,
      });
      way.through(watch.url);
      try {
        return await work(watch);
      } finally {
        way.through(undefined);
        if (!signal.aborted) await watch.end(); // else it is killed with all the others
      }
    },
    tell: (kind, text) => tell({ kind, text: lineForPeople(text) }),
    problem(text) {
      problems.push(lineForPeople(text));
      scene.tell('problem', text);
    },
  };
  return { scene, problems };
}

/** Milliseconds that whoever keeps failing is left alone: a rehearsal has no ten seconds for that. */
const CIRCUIT_OPEN_MS = 500;

/** The way of the callbacks: front, a shadow run while there is one, back, service. */
interface CallbackWay {
  /** Of the front: what the worker calls. */
  readonly url: string;
  /** Of the back: what a shadow run calls. */
  readonly upstream: string;
  through(shadowUrl: string | undefined): void;
  /** The latest epoch of the flag that a callback was sent in. */
  epochSeen(): number;
}

async function openWay(
  { answer, alter }: CallbackFaults,
  target: (path: string) => string | undefined,
  onEnd: (release: Release) => void,
): Promise<CallbackWay> {
  let epoch = 0;
  let shadow: string | undefined;
  const back = await startForwarder({ target, answer });
  onEnd(() => back.close());
  const front = await startForwarder({
    target: () => shadow ?? back.url,
    alter,
    onCallback(callback) {
      epoch = Math.max(epoch, epochOf(callback) ?? 0);
    },
  });
  onEnd(() => front.close());
  return {
    url: front.url,
    upstream: back.url,
    through(shadowUrl) {
      shadow = shadowUrl;
    },
    epochSeen: () => epoch,
  };
}

async function removeOurs(transport: Transport, names: Names, topology: Topology): Promise<void> {
  await transport.remove(removals(names, topology, await transport.survey()));
}

/** What a process needs to run. What the product reads is said by the rehearsal alone. */
function bareEnvironment(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => KEPT.test(name)));
}

const KEPT = /^(PATH|HOME|TMPDIR|TMP|TEMP|LANG|LC_\w+|TZ|NODE_\w+|SystemRoot|RABBITMQ_MANAGEMENT_URL)$/;
