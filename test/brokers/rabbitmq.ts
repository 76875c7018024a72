/**
 * A private, throwaway RabbitMQ for tests: its own node name, ports, data folder, cookie and epmd, all on
 * 127.0.0.1. The broker dies with the process that started it, however that ends: a shell watches the pipe
 * from it, and its end of file kills the broker and deletes the folder.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
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
  const removeFolder = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once('exit', removeFolder);

  const ctl = (...args: string[]) => run(join(dirname(script), 'rabbitmqctl'), args, env);

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

  async function kill(): Promise<void> {
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
    removeFolder();
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

/**
 * epmd is started here, in the foreground, because one started by Erlang would outlive everything. The last
 * line runs only when the pipe from the test process ends: then the test process is gone.
 */
const WATCHDOG = `
epmd -port "$EPMD_PORT" -address 127.0.0.1 </dev/null >/dev/null 2>&1 &
epmd=$!
( exec "$SERVER" -noinput </dev/null >"$FOLDER/output" 2>&1 ) &
server=$!
( wait_for_end() { while kill -0 $server 2>/dev/null; do sleep 0.2; done; kill -9 0; }; wait_for_end ) &
watcher=$!
read -r _
trap '' TERM
kill -9 $watcher $server $epmd
sleep 0.3
rm -rf "$FOLDER"
kill -9 0
`;

function spawnWatched(
  script: string,
  folder: string,
  env: NodeJS.ProcessEnv,
  epmdPort: number,
): ChildProcess {
  const child = spawn('sh', ['-c', WATCHDOG], {
    env: { ...env, SERVER: script, FOLDER: folder, EPMD_PORT: String(epmdPort) },
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.stdin?.on('error', () => {
    // The watchdog was killed with its broker; there is nobody left to write to.
  });
  // Neither may keep a finished test run alive.
  child.unref();
  const pipe = child.stdin as unknown as { unref?: () => void } | null;
  pipe?.unref?.();
  return child;
}

async function ready(ports: Ports, options: RabbitOptions): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  const plugins = options.plugins ?? ['rabbitmq_management'];
  await until(() => answersAmqp(ports.amqp), deadline);
  if (plugins.includes('rabbitmq_management')) await until(() => accepts(ports.management), deadline);
  if (options.tls !== undefined) await until(() => accepts(ports.tls), deadline);
}

function tail(folder: string): string {
  const output = join(folder, 'output');
  return existsSync(output) ? readFileSync(output, 'utf8').slice(-3_000) : '(no output)';
}

function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, [...args], { env, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`rabbitmqctl ${args.join(' ')}: ${stderr || error.message}`));
      else resolve(stdout);
    });
  });
}
