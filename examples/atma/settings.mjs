/** What a service is told by its environment. Anything wrong is told at once, by name, and the service does not start. */
import { z } from 'zod';

const wholeNumbers = z
  .string()
  .regex(/^\d+(,\d+)*$/, 'expected whole numbers with commas')
  .transform((text) => text.split(',').map(Number));
const milliseconds = z.coerce.number().int().min(1);

/** 0: any free port; the line `ready` says which. */
export const port = z.coerce.number().int().min(0).max(65_535);

/** The variables that all services have. `RABBITMQ_URL` and the names of exchange and queues are read by `connect()`. */
const common = {
  HOST: z.string().default('127.0.0.1'),
  ATMA_EVENTS_FLAG_FILE: z.string().optional(),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  /** Milliseconds before each further attempt of what failed. Default: the core's, 5 s to 10 min. */
  RETRY_DELAYS_MS: wholeNumbers.optional(),
  /** Milliseconds that nothing is tried after too many failures. Default: the core's, 10 s. */
  CIRCUIT_OPEN_MS: milliseconds.optional(),
  /** Switches a safety off, to see that it is missed. See breakage.mjs. */
  ATMA_BREAK: z.string().optional(),
};

/** What callers of a service have to know. The placeholder of `.env.example` is no key. */
export const serviceKey = z
  .string({ error: 'required: the key that callers send as X-Service-Key' })
  .min(8, 'at least 8 characters')
  .refine((key) => !key.startsWith('change-me'), 'still the placeholder: choose a key');

/** How the receivers have drifted from what the worker sends; see the README. */
export const strictBody = z.enum(['snake']).optional();

export function readSettings(shape, environment = process.env) {
  // A variable that is set to nothing is one that is not set, as in most `.env` files.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const result = z.object({ ...common, ...shape }).safeParse(given);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new Error(`The environment is not as it should be. ${problems.join('. ')}`);
}

/** Events that a receiver has in hand. Each waits for some flushes of the disk, which they share: many at a time are cheap. */
export const prefetch = z.coerce.number().int().min(1).max(65_535);

/** Options of a consumer that the environment may change. */
export function consumerSettings({ PREFETCH, RETRY_DELAYS_MS: delaysMs, CIRCUIT_OPEN_MS: openMs }) {
  return {
    ...(PREFETCH && { prefetch: PREFETCH }),
    ...(delaysMs && { retry: { delaysMs } }),
    ...(openMs && { circuit: { openMs } }),
  };
}
