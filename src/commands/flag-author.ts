/** Who moves the flag, for the audit trail. A name for people to find each other by: nothing here proves who somebody is. */
import { hostname, userInfo } from 'node:os';
import { forPeople, lineForPeople } from '../terminal/safe-text.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** What the operating system says. */
export interface Login {
  /** Undefined where the user has no name, as in a container under a foreign number. */
  readonly user: string | undefined;
  readonly host: string;
}

/**
 * `rina on worker-3`. The person: the option, else `ATMA_EVENTS_USER`, else `SUDO_USER`, else the operating system's user.
 * Not with an `@`: that would be an e-mail address, which no output shows.
 */
export function authorOf(by: string | undefined, environment: Environment, login: Login): string {
  const { ATMA_EVENTS_USER, SUDO_USER } = environment;
  const person = [by, ATMA_EVENTS_USER, SUDO_USER, login.user].find((name) => name?.trim());
  return lineForPeople(`${person?.trim() ?? 'somebody'} on ${login.host}`);
}

/** A reason as it is recorded: no secret, no address, nothing that drives a terminal. */
export function reasonOf(text: string | undefined): string {
  return forPeople(text ?? '')
    .replace(/\s+/g, ' ')
    .trim();
}

export function currentLogin(): Login {
  let user: string | undefined;
  try {
    user = userInfo().username;
  } catch {
    // Without an entry in the user database there is only a number.
    user = process.getuid === undefined ? undefined : `user ${process.getuid()}`;
  }
  return { user, host: hostname() };
}
