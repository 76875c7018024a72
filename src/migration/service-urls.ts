/** Where the services of callbacks are, by the variables that the worker has today. */
import { EventsError } from '../core/errors.js';
import type { CallbackRoute } from '../core/migration/callback-route.js';
import type { CallbackClientOptions } from '../legacy/callback-client-options.js';

type Services = CallbackClientOptions['services'];

/** ATMA's services, where no variable names another place. */
const DEFAULT_URLS: { readonly [service: string]: string } = {
  notification: 'http://localhost:3005',
  assessment: 'http://localhost:3003',
};

/**
 * A URL for every service of the routes: as given, else of `<NAME>_SERVICE_URL` (`NOTIFICATION_SERVICE_URL`), else ATMA's
 * default. Throws `usage` for a service without any.
 */
export function serviceUrls(
  routes: readonly CallbackRoute[],
  given: Services,
  environment: { readonly [name: string]: string | undefined },
): Services {
  const services: Record<string, Services[string]> = { ...given };
  for (const { service } of routes) {
    if (service in services) continue;
    const variable = `${service.toUpperCase().replace(/[^A-Z0-9]/g, '_')}_SERVICE_URL`;
    const url = environment[variable] || DEFAULT_URLS[service];
    if (url === undefined) {
      throw new EventsError('usage', `Nobody says where the service ${JSON.stringify(service)} is`, {
        hint: `Set ${variable}, or give openDispatcher { services: { ${JSON.stringify(service)}: "http://…" } }.`,
      });
    }
    services[service] = url;
  }
  return services;
}
