/**
 * The three services of examples/atma, as processes on one embedded broker: jobs are offered at a steady rate, and must be done
 * at that rate, without a lag that grows and without memory that grows. One run per stage; this process offers and looks on.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from '../dist/index.js';
import { writeFlag } from '../dist/migration/flag-document.js';
import { NO_FLAG } from '../dist/migration/flag-state.js';
import { jobSystem } from '../examples/atma/analysis-worker/job-queue.mjs';
import { neutralEnvironment } from './child.mjs';
import { median } from './stats.mjs';

const RATE = 1_000;
/** Caches fill, and the compiler has its way. */
const WARM_UP_S = 10;
/** How often jobs are offered per second. */
const TICKS = 50;
/**
 * Jobs that the worker has in hand. Where callbacks count, a job waits for two of them, and each of them for some flushes of the
 * disk that all that are under way share: with few at a time that waiting decides, and not what the machine can do.
 */
const CONCURRENCY = 200;
/** What may be on its way, in seconds of the rate. */
const LAG_S = 1;
/**
 * Memory in the last third of a long run, as a share of that in the middle one. In the first one SQLite's caches fill: three files
 * per receiver, up to 16 MB each.
 */
const STEADY = 1.05;
const STEADY_AFTER_S = 300;

/** `off` has callbacks only, `shadow` and `live` have both paths, `complete` has events only. */
const STAGES = ['off', 'shadow', 'live', 'complete'];
const RECEIVERS = ['notification', 'assessment'];

export async function measureServices({ quick, minutes, stages = STAGES, rate = RATE, folder, defer, log }) {
  const seconds = minutes === undefined ? (quick ? 10 : 30) : minutes * 60;
  const rows = [];
  for (const stage of stages) {
    const run = await measureStage(stage, {
      seconds,
      rate,
      folder: join(folder, `services-${stage}`),
      defer,
    });
    log(`services: ${stage}: ${describe(run)}`);
    rows.push(...rowsOf(stage, run, { seconds, rate }));
  }
  return rows;
}

async function measureStage(stage, { seconds, rate, folder, defer }) {
  mkdirSync(folder);
  const url = `embedded:${join(folder, 'broker.db')}`;
  const flagFile = join(folder, 'flags.json');
  writeFileSync(flagFile, writeFlag(undefined, { ...NO_FLAG, stage, epoch: 1 }));
  const environment = {
    RABBITMQ_URL: url,
    ATMA_EVENTS_FLAG_FILE: flagFile,
    INTERNAL_SERVICE_KEY: 'a-key-of-the-bench',
  };
  const start = (name, more) =>
    startService(name, { folder, environment: { ...environment, ...more }, defer });

  const receivers = {
    notification: await start('notification-service'),
    assessment: await start('assessment-service'),
  };
  const worker = await start('analysis-worker', {
    JOBS_CONCURRENCY: String(CONCURRENCY),
    NOTIFICATION_SERVICE_URL: receivers.notification.url,
    ASSESSMENT_SERVICE_URL: receivers.assessment.url,
  });
  const processes = { worker, ...receivers };
  const jobs = await connect({
    ...jobSystem({ JOB_EXCHANGE_NAME: 'atma_exchange', JOB_QUEUE_NAME: 'assessment_analysis' }),
    url,
  });
  defer(() => jobs.close());

  const offer = offering(jobs, rate);
  await pause(WARM_UP_S * 1_000);
  const looks = [look(processes)];
  const begun = performance.now();
  const offeredBefore = offer.offered;
  const done = { notification: 0, assessment: 0 };
  const doneBefore = {};
  const lags = [];
  for (const name of RECEIVERS) doneBefore[name] = await receivers[name].done();
  while (performance.now() - begun < seconds * 1_000) {
    await pause(1_000);
    for (const name of RECEIVERS) done[name] = await receivers[name].done();
    lags.push(offer.offered - Math.min(...Object.values(done)));
    looks.push(look(processes));
  }
  const took = (performance.now() - begun) / 1_000;
  const offered = offer.offered - offeredBefore;
  await offer.stop();
  for (const { stop } of Object.values(processes)) await stop();
  await jobs.close();
  return {
    offered: offered / took,
    done: Math.min(...RECEIVERS.map((name) => done[name] - doneBefore[name])) / took,
    lags,
    processes: Object.fromEntries(
      Object.keys(processes).map((name) => [
        name,
        {
          ...thirds(looks.map((each) => each[name].rssMB)),
          // Of a core; the machine's other work does not count.
          cores: (looks.at(-1)[name].cpuS - looks[0][name].cpuS) / took,
        },
      ]),
    ),
  };
}

/** Offers jobs until `stop`: as many as are due at each tick, and those that a late tick missed with the next. */
function offering(jobs, rate) {
  const begun = performance.now();
  let offered = 0;
  let open = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - begun) * rate) / 1_000);
    for (; offered < due; offered++) {
      open++;
      jobs.publish('analysis.process', job(offered)).finally(() => {
        open--;
      });
    }
  }, 1_000 / TICKS);
  return {
    get offered() {
      return offered;
    },
    async stop() {
      clearInterval(timer);
      while (open > 0) await pause(10);
    },
  };
}

/** Every fifth analysis fails; a thousand users. */
function job(n) {
  const id = (kind, number) => `${kind}-0000-4000-8000-${String(number).padStart(12, '0')}`;
  return {
    jobId: id('00000001', n),
    userId: id('00000002', n % 1_000),
    userEmail: 'user@example.com',
    assessmentName: 'AI-Driven Talent Mapping',
    ...(n % 5 === 0 && { outcome: 'failed' }),
  };
}

async function startService(name, { folder, environment, defer }) {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL(`../examples/atma/${name}/main.mjs`, import.meta.url))],
    {
      env: {
        ...neutralEnvironment(),
        ...environment,
        PORT: '0',
        DATA_DIR: join(folder, name),
        LOG_LEVEL: 'info',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    await gone;
  };
  defer(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  const port = await new Promise((resolve, reject) => {
    gone.then((code) => reject(new Error(`${name} ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { event, port, level, ...details } = JSON.parse(line);
      if (event === 'ready') resolve(port);
      else if (level === 'warn' || level === 'error') console.error(name, level, event, details.message);
    });
  });
  const url = `http://127.0.0.1:${port}`;
  let last = 0;
  let outcomes = 0;
  return {
    url,
    pid: child.pid,
    stop,
    /** Outcomes of jobs that the service has dealt with. */
    async done() {
      const text = await (await fetch(`${url}/effects?after=${last}`)).text();
      const rows = text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
      last = rows.at(-1)?.n ?? last;
      outcomes += rows.filter(({ effect }) => effect !== 'refund').length;
      return outcomes;
    },
  };
}

/** What it was in each third of the time: a single look may come right after a collection. */
function thirds(values) {
  const third = Math.ceil(values.length / 3);
  return {
    first: median(values.slice(0, third)),
    middle: median(values.slice(third, -third)),
    last: median(values.slice(-third)),
  };
}

/** Memory of each process, and its CPU time where the system tells (Linux). */
function look(processes) {
  const pids = Object.values(processes).map(({ pid }) => pid);
  const ps = execFileSync('ps', ['-o', 'pid=,rss=', '-p', pids.join(',')], { encoding: 'utf8' });
  const kBytes = new Map(
    ps
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number)),
  );
  return Object.fromEntries(
    Object.entries(processes).map(([name, { pid }]) => [
      name,
      { rssMB: kBytes.get(pid) / 1_024, cpuS: cpuSeconds(pid) },
    ]),
  );
}

const TICKS_PER_S = 100;

function cpuSeconds(pid) {
  try {
    // After the name, which may hold anything: user and system time are fields 14 and 15, see proc(5).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
  } catch {
    return Number.NaN;
  }
}

function describe({ offered, done, lags, processes }) {
  const each = Object.entries(processes).map(
    ([name, { first, middle, last, cores }]) =>
      `${name} ${[first, middle, last].map(Math.round).join(', ')} MB, ${cores.toFixed(2)} cores`,
  );
  const lag = thirds(lags);
  return [
    `${offered.toFixed(0)} jobs/s offered, ${done.toFixed(0)} done`,
    `by thirds of the time: lag ${lag.first}, ${lag.middle}, ${lag.last}`,
    ...each,
  ].join('; ');
}

function rowsOf(stage, { offered, done, lags, processes }, { seconds, rate }) {
  const row = (what, more) => ({ bench: 'services', what: `${stage}: ${what}`, ...more });
  const lag = thirds(lags);
  // In less time caches still fill.
  const steady = seconds >= STEADY_AFTER_S && { goal: { on: 'ratio', is: 'at most', value: STEADY } };
  return [
    row(`jobs through worker and both services, for ${seconds} s`, {
      ...{ unit: '/s', ours: done, rival: offered, rivalName: 'offered', ratio: done / offered },
    }),
    row('lag in the last third', {
      ...{ unit: ' jobs', ours: lag.last, rival: lag.first, rivalName: 'in the first third' },
      goal: { on: 'ours', is: 'at most', value: LAG_S * rate },
    }),
    ...Object.entries(processes).map(([name, { middle, last }]) =>
      row(`memory of the ${name}${name === 'worker' ? '' : ' service'} in the last third`, {
        ...{ unit: ' MB', ours: last, rival: middle, rivalName: 'in the middle third', ratio: last / middle },
        ...steady,
      }),
    ),
  ];
}
