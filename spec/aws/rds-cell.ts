import type { Path, Report } from "../report.ts";
import { didYouMean } from "../suggest.ts";
import type { AppLogin } from "./app-login.ts";
import { INSTANCE_CLASSES } from "./instance-classes.ts";
import { allParameters, type Parameters, parseParameters } from "./parameters.ts";
import { DEFAULTS, IDENTIFIER, RDS_FIELDS } from "./rds-fields.ts";
import { overlaps, parseDaily, parseWeekly } from "./windows.ts";

/** What cells on RDS have in common, whoever made the instance. */
export interface OnRds {
  readonly name: string;
  /** Who starts the jobs: RDS has pg_cron. */
  readonly scheduler: "pg_cron";
  readonly region: string;
  /** The instance's identifier in its region. */
  readonly identifier: string;
  /** The role that converges the cell; it logs in by IAM. */
  readonly admin: string;
  /** Whether `up` reboots the instance when a static parameter waits for it. Default: never. */
  readonly rebootWhenPending: "never" | "now";
  /** How applications log in. Default iam; password for an adopted one. */
  readonly appLogin: AppLogin;
  /** What sizing counts for each merchant. Default 10. */
  readonly connectionsPerMerchant: number;
  /** What sizing counts for each run of a job. Default 0.5. */
  readonly secondsPerJob: number;
  /** True: the jobs of all its merchants rest. */
  readonly suspended?: boolean;
}

/** An RDS instance that the stack makes. */
export interface RdsCell extends OnRds {
  readonly kind: "rds";
  /** With its minor version, such as `17.6`: an upgrade is a line of a pull request. */
  readonly engineVersion: string;
  readonly instanceClass: string;
  /** GiB to begin with, and up to which it grows by itself. */
  readonly storageGib: number;
  readonly maxStorageGib: number;
  readonly vpcId: string;
  /** In two availability zones at least. */
  readonly subnetIds: readonly string[];
  /** Who may connect: security groups, or blocks of addresses. */
  readonly clients: readonly string[];
  /** The ARN of the key that encrypts it and its applications' secrets. Default: the account's keys for either service. */
  readonly kmsKeyId?: string;
  /** Default true: a standby in another zone. */
  readonly multiAz: boolean;
  /** Days that backups are kept, for a restore to any moment in them. Default 14. */
  readonly backupDays: number;
  /** In GMT. Defaults 22:00-23:00 and sun:06:00-sun:07:00. */
  readonly backupWindow: string;
  readonly maintenanceWindow: string;
  /** CloudWatch Database Insights. Default standard. */
  readonly databaseInsights: "standard" | "advanced";
  /** The authority that signs its certificate. Default rds-ca-rsa2048-g1. */
  readonly caCertificate: string;
  /** All parameters of its group. */
  readonly parameters: Parameters;
  /** Whether engineVersion may go to another major version. */
  readonly allowMajorVersionUpgrade?: boolean;
  /** Its own name: its instance may be replaced or deleted, with everything in it. Protection is off. */
  readonly expendable?: string;
}

/** PostgreSQL's major version of a cell. */
export function majorVersion({ engineVersion }: Pick<RdsCell, "engineVersion">): string {
  return engineVersion.split(".")[0] ?? engineVersion;
}

const EXAMPLE =
  "{kind: rds, region: …, engineVersion: …, instanceClass: …, storageGib: …, vpcId: …, subnetIds: …, clients: …}";

/** Reads a cell that the stack makes; undefined when something is missing without which it is none. */
export function parseRdsCell(report: Report, path: Path, name: string, raw: unknown): RdsCell | undefined {
  const fields = report.readFields(path, raw, RDS_FIELDS, EXAMPLE);
  if (fields === undefined) return undefined;
  const { engineVersion, storageGib, region, vpcId, subnetIds, clients, kmsKeyId } = fields;
  const own = parseParameters(report, [...path, "parameters"], fields.parameters);
  const instanceClass = readClass(report, [...path, "instanceClass"], fields.instanceClass);
  const maxStorageGib = fields.maxStorageGib ?? Math.min((storageGib ?? 0) * DEFAULTS.maxStorageFactor, 65_536);
  if (storageGib !== undefined && maxStorageGib < storageGib * 1.1) {
    const rule = `must be a tenth more than storageGib ${storageGib}, or it could not grow`;
    report.add([...path, "maxStorageGib"], maxStorageGib, rule, `write ${Math.ceil(storageGib * 1.1)} or more`);
  }
  const { backupWindow = DEFAULTS.backupWindow, maintenanceWindow = DEFAULTS.maintenanceWindow } = fields;
  const [weekly, daily] = [parseWeekly(maintenanceWindow), parseDaily(backupWindow)];
  if (weekly && daily && overlaps(weekly, daily)) {
    const rule = `falls into the maintenance window ${maintenanceWindow}, which RDS refuses`;
    report.add([...path, "backupWindow"], backupWindow, rule, "choose another time for one of them");
  }
  checkKey(report, path, region, kmsKeyId);
  const common = commonOf(report, path, name, "iam", fields);
  checkExpendable(report, path, name, fields.expendable);
  if (!instanceClass || !engineVersion || !storageGib || !vpcId || !subnetIds || !clients || !common) return undefined;
  return {
    ...common,
    kind: "rds",
    engineVersion,
    instanceClass,
    storageGib,
    maxStorageGib,
    vpcId,
    subnetIds,
    clients,
    ...(kmsKeyId !== undefined && { kmsKeyId }),
    multiAz: fields.multiAz ?? DEFAULTS.multiAz,
    backupDays: fields.backupDays ?? DEFAULTS.backupDays,
    backupWindow,
    maintenanceWindow,
    databaseInsights: fields.databaseInsights ?? DEFAULTS.databaseInsights,
    caCertificate: fields.caCertificate ?? DEFAULTS.caCertificate,
    parameters: allParameters(own, instanceClass),
    ...(fields.allowMajorVersionUpgrade === true && { allowMajorVersionUpgrade: true }),
    ...(fields.expendable !== undefined && { expendable: fields.expendable }),
  };
}

/**
 * What every cell on RDS has, with its defaults (`appLogin` is that of its kind); undefined without a region or an identifier.
 */
export function commonOf(
  report: Report,
  path: Path,
  name: string,
  appLogin: AppLogin,
  fields: {
    readonly region?: string | undefined;
    readonly identifier?: string | undefined;
    readonly admin?: string | undefined;
    readonly rebootWhenPending?: "never" | "now" | undefined;
    readonly appLogin?: AppLogin | undefined;
    readonly connectionsPerMerchant?: number | undefined;
    readonly secondsPerJob?: number | undefined;
    readonly suspended?: boolean | undefined;
  },
): OnRds | undefined {
  const identifier = fields.identifier ?? `merchant-jobs-${name}`;
  if (!IDENTIFIER.test(identifier)) {
    const rule = `gives the identifier ${identifier}, which RDS does not take`;
    report.add([...path, "identifier"], undefined, rule, "write an identifier of your own");
  }
  if (fields.region === undefined) return undefined;
  return {
    name,
    scheduler: "pg_cron",
    region: fields.region,
    identifier,
    admin: fields.admin ?? DEFAULTS.admin,
    rebootWhenPending: fields.rebootWhenPending ?? DEFAULTS.rebootWhenPending,
    appLogin: fields.appLogin ?? appLogin,
    connectionsPerMerchant: fields.connectionsPerMerchant ?? DEFAULTS.connectionsPerMerchant,
    secondsPerJob: fields.secondsPerJob ?? DEFAULTS.secondsPerJob,
    ...(fields.suspended === true && { suspended: true }),
  };
}

/** The class that is written, if there is one of that name. */
export function readClass(report: Report, path: Path, written: string | undefined): string | undefined {
  if (written === undefined || Object.hasOwn(INSTANCE_CLASSES, written)) return written;
  const near = didYouMean(written, Object.keys(INSTANCE_CLASSES));
  const fix = near.startsWith("did")
    ? near
    : "write it as db.r7g.large; spec/aws/instance-classes.ts has those it knows";
  report.add(path, written, "is not an instance class of PostgreSQL that this program knows", fix);
  return undefined;
}

/** A key encrypts in its own region only. */
export function checkKey(report: Report, path: Path, region: string | undefined, key: string | undefined): void {
  if (key === undefined || region === undefined || key.split(":")[3] === region) return;
  report.add([...path, "kmsKeyId"], key, `is a key of another region than ${region}`, "write a key of that region");
}

function checkExpendable(report: Report, path: Path, name: string, written: string | undefined): void {
  if (written === undefined || written === name) return;
  const rule = `must be ${name}, the name of the cell that may be lost`;
  report.add([...path, "expendable"], written, rule, `write expendable: ${name}, or take it out: then it is protected`);
}
