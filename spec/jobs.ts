/** What a batch function may be told besides its batch, for example how long it keeps what it deletes: whole days. */
export type JobSettings = Readonly<Record<`${string}Days`, number>>;

/** A job that every merchant has. To add one: an entry in `JOBS` and its procedure under `sql/merchant/`. */
export interface JobDefinition {
  /** When it is due, in pg_cron's grammar; in GMT, or in the time zone of a merchant that has one. */
  readonly schedule: string;
  /** The procedure that pg_cron calls, with its schema. It takes no argument; `<procedure>_batch` does its work. */
  readonly procedure: string;
  /** How its batches run; undefined when it has none, and so no row in app.jobs. */
  readonly batches?: {
    /** How long one run may take, in seconds. A run ends between two batches; the next one goes on. */
    readonly timeLimitSeconds: number;
    /** How many items one batch, which is one transaction, takes. */
    readonly batchSize: number;
    /** Whether somebody's money waits for it: catch-up runs it before the jobs that only clear away. Default: false. */
    readonly movesMoney?: boolean;
    /** What its batch function is told, with its default. */
    readonly settings?: JobSettings;
  };
}

/**
 * The catalogue. Limits are short: a run that is out of time goes on a quarter of an hour later at most, and until then
 * others have their turn, on pg_cron 1.4 those of the whole cell. Names match `^[a-z][a-z0-9_]{0,30}$`, so that
 * `<merchant>:<job>` fits into a name of PostgreSQL.
 */
export const JOBS = {
  ops_cleanup: {
    schedule: "*/5 * * * *",
    procedure: "app.cleanup_expired_operations",
    batches: { timeLimitSeconds: 240, batchSize: 2000, movesMoney: true },
  },
  lot_expiry: {
    schedule: "0 2 * * *",
    procedure: "app.expire_lots",
    batches: { timeLimitSeconds: 600, batchSize: 2000, movesMoney: true },
  },
  idempotency_cleanup: {
    schedule: "0 3 * * *",
    procedure: "app.cleanup_idempotency",
    batches: { timeLimitSeconds: 600, batchSize: 2000, settings: { retentionDays: 7 } },
  },
  history_cleanup: {
    schedule: "30 3 * * *",
    procedure: "app.cleanup_history",
    batches: { timeLimitSeconds: 600, batchSize: 2000, settings: { retentionDays: 90 } },
  },
  /** Runs every job that is overdue. */
  catch_up: { schedule: "*/15 * * * *", procedure: "app.run_overdue" },
} as const satisfies Record<string, JobDefinition>;

export type JobName = keyof typeof JOBS;

/** A job of one merchant, with what the stack and the merchant's line change in it. */
export interface JobSpec {
  readonly name: string;
  /** What pg_cron is given; in GMT. */
  readonly schedule: string;
  /** When it is due, in `timezone`; spread already. The schedule, if the zone is GMT. */
  readonly due: string;
  /** `GMT`, or the merchant's time zone. */
  readonly timezone: string;
  /** Exactly one CALL: a procedure that commits fails with 2D000 when anything stands beside it. */
  readonly command: string;
  /** False keeps the job in the crontab and does not run it. A suspended merchant's jobs do not run either. */
  readonly enabled: boolean;
  readonly batches?: Required<NonNullable<JobDefinition["batches"]>>;
}

/** The function that does one batch of the job with this command: `<procedure>_batch`, with its schema. */
export function batchFunctionOf(command: string): string {
  return `${command.replace(/^CALL (.*)\(\)$/, "$1")}_batch`;
}
