/** A claim on a key of the idempotency store, as whoever made it keeps it. */
export interface RecordClaim {
  readonly key: string;
  readonly token: string;
}
