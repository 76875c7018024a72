/**
 * What has been done already, shared by processes and by both paths of a migration. A store keeps keys; `once` runs an
 * effect for a key that is not done.
 *
 * | state of a key | how it gets there | what a claim finds |
 * |---|---|---|
 * | free | never seen, released, or done longer ago than it is kept | it is claimed |
 * | claimed | somebody works on it; renewed while they live | `claimed` |
 * | unknown | claimed, and its lease passed: whoever had it died between claim and note | `unknown` |
 * | done | the effect happened, and the note is on disk | `done` |
 */

export type KeyState =
  | { readonly state: 'free' }
  | { readonly state: 'claimed'; readonly since: number; readonly until: number; readonly note: string }
  | { readonly state: 'unknown'; readonly since: number; readonly note: string }
  | { readonly state: 'done'; readonly at: number; readonly note: string };

export interface Claim {
  /** Names the claimant: only its own claim is renewed, completed or released. */
  readonly token: string;
  /** Milliseconds from now until the claim counts as `unknown`, unless renewed. 0: at once. */
  readonly leaseMs: number;
  /** Kept with the key and given back by `find` and `claim`. Default ''. */
  readonly note?: string;
  /** Claim it also when it is `unknown`. Default false. */
  readonly evenUnknown?: boolean;
}

/** `claimed-now` when the key is this claimant's from now on; else what it is. */
export type ClaimAnswer = { readonly state: 'claimed-now' } | Exclude<KeyState, { state: 'free' }>;

/** Keeps keys. Every method is atomic among all processes that share the store. Rejects with `storage` or `unreachable`. */
export interface IdempotencyStore {
  claim(key: string, claim: Claim): Promise<ClaimAnswer>;
  /** False when the claim is no longer this token's. */
  renew(key: string, token: string, leaseMs: number): Promise<boolean>;
  /**
   * Done: survives a power cut once resolved (where the store can promise that), and is kept for `keepMs` from now.
   * Also when this token had completed it before, so that it can be made again after a failure, or with another
   * `keepMs`; with 0 the key is free. False when the claim is no longer this token's; then nothing was changed.
   */
  complete(key: string, token: string, keepMs: number): Promise<boolean>;
  /** The effect did not happen: the key is free again. */
  release(key: string, token: string): Promise<boolean>;
  find(key: string): Promise<KeyState>;
  /** Idempotent. */
  close(): Promise<void>;
}
