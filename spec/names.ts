/** The namespace of the program's configuration keys, which is the project's name in Pulumi.yaml. */
export const NAMESPACE = "merchant-jobs";

/** The configuration keys that the program reads, besides the secrets that cells name. */
export const CONFIG_KEYS: readonly string[] = ["cells", "merchants", "jobs", "rollout"];

/** PostgreSQL cuts longer names (NAMEDATALEN - 1); pg_cron 1.4 keeps job names in a column of that type too. */
export const MAX_NAME_BYTES = 63;

/** Ids of merchants. They become parts of names in SQL, in the state and in metrics. */
export const MERCHANT_ID = /^[a-z][a-z0-9_]{0,30}$/;

/** Names of cells. */
export const CELL_NAME = /^[a-z][a-z0-9-]{0,30}$/;

/** Names of databases, short enough that `<database>_owner` fits into 63 bytes. */
export const DATABASE_NAME = /^[a-z][a-z0-9_]{0,56}$/;

/** The three roles of a merchant: the owner cannot log in, the application and pg_cron's jobs use the other two. */
export interface RoleNames {
  readonly ownerRole: string;
  readonly appRole: string;
  readonly jobRole: string;
}

/** The database of a merchant that names none. */
export function defaultDatabase(merchant: string): string {
  return `merchant_${merchant}`;
}

/** The roles of a merchant, from its database: roles belong to the server, where databases are unique already. */
export function roleNames(database: string): RoleNames {
  return { ownerRole: `${database}_owner`, appRole: `${database}_app`, jobRole: `${database}_job` };
}

/** The name of a merchant's job in `cron.job`. A merchant's id has no colon, so the name gives both back. */
export function cronJobName(merchant: string, job: string): string {
  return `${merchant}:${job}`;
}

const RESERVED = new Set(["cron", "postgres", "template0", "template1", "rdsadmin"]);

/** Says whether a name belongs to PostgreSQL, to RDS, or to the cell's own cron database. */
export function isReservedName(name: string): boolean {
  return RESERVED.has(name) || name.startsWith("pg_");
}
