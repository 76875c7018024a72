/**
 * A private, throwaway RabbitMQ for tests: its own node name, ports, data folder, cookie and epmd, all on
 * 127.0.0.1. The broker dies with the process that started it, however that ends: a shell watches the pipe
 * from it, and its end of file kills the broker and deletes the folder.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { accepts, answersAmqp, choosePorts, type Ports, portsFree, until } from './ports.js';
import { spawnWatched } from './watchdog.js';

export interface RabbitTls {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Refuse clients without a certificate of this CA. Default false. */
  readonly requireClientCertificate?: boolean;
}

export interface RabbitOptions {
  /** Default: management only. */
  readonly plugins?: readonly string[];
  /** AMQP port. Default: a free one whose number plus 10,000 is free too. */
  readonly port?: number;
  readonly tls?: RabbitTls;
  /** Further lines of rabbitmq.conf. */
  readonly config?: readonly string[];
  /** Settings of the `rabbit` application that rabbitmq.conf does not know: name and value in Erlang's notation. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface RabbitBroker {
  /** `amqp://guest:guest@127.0.0.1:PORT`, virtual host `/`. */
  readonly url: string;
  readonly port: number;
  /** `http://127.0.0.1:PORT+10000`. */
  readonly managementUrl: string;
  /** `amqps://guest:guest@localhost:PORT` when started with `tls`. */
  readonly tlsUrl: string | undefined;
  /** Runs rabbitmqctl against this node; resolves with what it printed. Takes a second or two. */
  ctl(...args: string[]): Promise<string>;
  /** SIGKILL to the whole virtual machine. Data and ports are kept for `start`. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** `kill`, then `start`. */
  restart(): Promise<void>;
  /** The broker closes every client connection (320 CONNECTION_FORCED). */
  cutConnections(): Promise<void>;
  /** Ends the broker for good and deletes everything it left. Idempotent. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 20_000;

/** Path of the plain `rabbitmq-server` script (not Debian's wrapper, which changes user), or undefined. */
export function findRabbitServer(): string | undefined {
  const homes = ['/usr/lib/rabbitmq/lib', '/opt/homebrew/opt/rabbitmq', '/usr/local/opt/rabbitmq'];
  for (const home of homes) {
    if (!existsSync(home)) continue;
    const versions = readdirSync(home).filter((entry) => entry.startsWith('rabbitmq_server-'));
    const scripts = [...versions.map((version) => join(home, version, 'sbin')), join(home, 'sbin')];
    for (const folder of scripts) {
      const script = join(folder, 'rabbitmq-server');
      if (existsSync(script)) return script;
    }
  }
  return undefined;
}

/** Starts a broker and resolves once it answers AMQP handshakes (about 6 s). */
export async function startRabbit(options: RabbitOptions = {}): Promise<RabbitBroker> {
  const script = findRabbitServer();
  if (script === undefined) throw new Error('RabbitMQ is not installed here (package rabbitmq-server)');

  const ports = await choosePorts(options.port);
  const folder = mkdtempSync(join(tmpdir(), 'atma-rabbit-'));
  const env = environment(folder, ports, options.settings);
  writeConfiguration(folder, ports, options);

  let running: ChildProcess | undefined;
  let stopped = false;
  let killing: Promise<void> | undefined;
  const commands = new Set<Promise<string>>();
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeFolder);

  function ctl(...args: string[]): Promise<string> {
    const command = run(join(dirname(script ?? ''), 'rabbitmqctl'), args, env);
    commands.add(command);
    const forget = () => commands.delete(command);
    command.then(forget, forget);
    return command;
  }

  async function start(): Promise<void> {
    if (stopped || running !== undefined) return;
    const child = spawnWatched(script ?? '', folder, env, ports.epmd);
    running = child;
    await Promise.race([
      ready(ports, options).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${tail(folder)}`);
      }),
      new Promise<never>((_, reject) =>
        child.once('exit', () => reject(new Error(`RabbitMQ ended while starting:\n${tail(folder)}`))),
      ),
    ]);
  }

  /** One call for all who want it gone: `stop` in the middle of a `kill` must wait, too. */
  function kill(): Promise<void> {
    killing ??= killRunning().finally(() => {
      killing = undefined;
    });
    return killing;
  }

  async function killRunning(): Promise<void> {
    const child = running;
    running = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const gone = new Promise((resolve) => child.once('exit', resolve));
    process.kill(-child.pid, 'SIGKILL');
    await gone;
    await portsFree([ports.amqp, ports.epmd, ports.dist]);
  }

  async function stop(): Promise<void> {
    stopped = true;
    await kill();
    await Promise.allSettled(commands);
    // An Erlang that was just starting, which no kill of ours reaches, writes its cookie there: then once more.
    await until(() => succeeds(removeFolder), Date.now() + END_TIMEOUT_MS, `deleting ${folder}`);
    process.removeListener('exit', removeFolder);
  }

  const broker: RabbitBroker = {
    url: `amqp://guest:guest@127.0.0.1:${ports.amqp}`,
    port: ports.amqp,
    managementUrl: `http://127.0.0.1:${ports.management}`,
    tlsUrl: options.tls === undefined ? undefined : `amqps://guest:guest@localhost:${ports.tls}`,
    ctl,
    kill,
    start,
    async restart() {
      await kill();
      await start();
    },
    async cutConnections() {
      await ctl('close_all_connections', 'cut by a test');
    },
    stop,
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return broker;
}

function environment(
  folder: string,
  ports: Ports,
  settings: RabbitOptions['settings'] = {},
): NodeJS.ProcessEnv {
  const rabbit = Object.entries(settings).map(([name, value]) => ` -rabbit ${name} ${value}`);
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('RABBITMQ_'));
  return {
    ...Object.fromEntries(inherited),
    HOME: folder,
    ERL_EPMD_PORT: String(ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // Else each Erlang that finds no epmd, rabbitmqctl beside a killed broker say, leaves one behind on that port.
    ERL_FLAGS: '-start_epmd false',
    RABBITMQ_NODENAME: `atma-${randomBytes(4).toString('hex')}@localhost`,
    RABBITMQ_NODE_PORT: String(ports.amqp),
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_DIST_PORT: String(ports.dist),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'none'),
    // Makes the script exec the virtual machine instead of sitting above it, so that one kill reaches it.
    RABBITMQ_ALLOW_INPUT: '1',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-kernel inet_dist_use_interface {127,0,0,1} +sbwt none${rabbit.join('')}`,
  };
}

function writeConfiguration(folder: string, ports: Ports, options: RabbitOptions): void {
  const plugins = options.plugins ?? ['rabbitmq_management'];
  const lines = [
    `listeners.tcp.1 = 127.0.0.1:${ports.amqp}`,
    'vm_memory_high_watermark.absolute = 1GB',
    'disk_free_limit.absolute = 10MB',
    'log.file.level = warning',
    ...(options.config ?? []),
  ];
  if (plugins.includes('rabbitmq_management')) {
    lines.push('management.tcp.ip = 127.0.0.1', `management.tcp.port = ${ports.management}`);
  }
  if (plugins.includes('rabbitmq_stream')) lines.push(`stream.listeners.tcp.1 = 127.0.0.1:${ports.stream}`);
  if (options.tls !== undefined) {
    const strict = options.tls.requireClientCertificate === true;
    lines.push(
      `listeners.ssl.1 = 127.0.0.1:${ports.tls}`,
      `ssl_options.cacertfile = ${options.tls.caFile}`,
      `ssl_options.certfile = ${options.tls.certFile}`,
      `ssl_options.keyfile = ${options.tls.keyFile}`,
      `ssl_options.verify = ${strict ? 'verify_peer' : 'verify_none'}`,
      `ssl_options.fail_if_no_peer_cert = ${strict}`,
    );
  }
  mkdirSync(join(folder, 'log'));
  writeFileSync(join(folder, 'rabbitmq.conf'), `${lines.join('\n')}\n`);
  writeFileSync(join(folder, 'plugins'), `[${plugins.join(',')}].\n`);
}

async function ready(ports: Ports, options: RabbitOptions): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  const plugins = options.plugins ?? ['rabbitmq_management'];
  const answers = (check: (port: number) => Promise<boolean>, port: number) =>
    until(() => check(port), deadline, `RabbitMQ answering on port ${port}`);
  await answers(answersAmqp, ports.amqp);
  if (plugins.includes('rabbitmq_management')) await answers(accepts, ports.management);
  if (options.tls !== undefined) await answers(accepts, ports.tls);
}

function tail(folder: string): string {
  const output = join(folder, 'output');
  return existsSync(output) ? readFileSync(output, 'utf8').slice(-3_000) : '(no output)';
}

async function succeeds(act: () => void): Promise<boolean> {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}

function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, [...args], { env, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`rabbitmqctl ${args.join(' ')}: ${stderr || error.message}`));
      else resolve(stdout);
    });
  });
}
