import { z } from "zod";
import { MAX_NAME_BYTES } from "../names.ts";
import { APP_LOGINS } from "./app-login.ts";
import { parseDaily, parseWeekly } from "./windows.ts";

export const DEFAULTS = {
  admin: "merchant_admin",
  rebootWhenPending: "never",
  connectionsPerMerchant: 10,
  secondsPerJob: 0.5,
  maxStorageFactor: 10,
  multiAz: true,
  backupDays: 14,
  backupWindow: "22:00-23:00",
  maintenanceWindow: "sun:06:00-sun:07:00",
  databaseInsights: "standard",
  caCertificate: "rds-ca-rsa2048-g1",
} as const;

const AUTHORITIES = ["rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"] as const;

/** The name of the user that RDS makes and whose password it keeps; it makes `admin`, and then rests. */
export const MASTER_USER = "merchant_master";

export const IDENTIFIER = /^(?!.*--)[a-z][a-z0-9-]{0,61}[a-z0-9]$/;
const BLOCK = /^(?:\d{1,3}\.){3}\d{1,3}\/(?:[89]|[12]\d|3[0-2])$/;
const trueOrFalse = (about: string, otherwise: string) =>
  ({
    about,
    default: otherwise,
    schema: z.boolean(),
    rule: "must be true or false",
    fix: "write true or false, without quotes",
  }) as const;

/** Fields that every cell on RDS has. */
const COMMON_FIELDS = {
  kind: {
    about: "what the cell is; it decides which other settings there are",
    schema: z.string(),
    rule: "must be a kind of cell",
    fix: "write rds or adopted",
    required: true,
  },
  suspended: trueOrFalse("`true`: the jobs of all its merchants rest", "false"),
  region: {
    about: "the AWS region that it is in",
    schema: z.string().regex(/^[a-z]{2}(?:-[a-z]+)+-\d$/),
    rule: "must be an AWS region",
    fix: "write it as eu-central-1",
    required: true,
  },
  identifier: {
    about: "the instance's identifier in its region",
    default: "merchant-jobs-<cell>",
    schema: z.string().regex(IDENTIFIER),
    rule: "must be the identifier of an instance: 2 to 63 lower-case letters, digits and single hyphens, a letter first",
    fix: "write such a name; without it, it is merchant-jobs-<cell>",
  },
  admin: {
    about:
      "the role that converges it, made by " +
      "[sql/server/administrator-rds.sql](../sql/server/administrator-rds.sql); it logs in by IAM",
    default: DEFAULTS.admin,
    schema: z
      .string()
      .regex(/^[a-z][a-z0-9_]*$/)
      .max(MAX_NAME_BYTES)
      .refine((name) => name !== MASTER_USER && !/^(?:rds|pg_)/.test(name)),
    rule: `must be a role: lower-case letters, digits and _, not ${MASTER_USER}, and none of RDS or PostgreSQL`,
    fix: `leave it out for ${DEFAULTS.admin}`,
  },
  rebootWhenPending: {
    about: "`now`: `up` reboots the instance when a static parameter waits for that",
    default: DEFAULTS.rebootWhenPending,
    schema: z.enum(["never", "now"]),
    rule: "must be never or now",
    fix: "leave it out for never: up says then which command reboots the instance",
  },
  appLogin: {
    about:
      "how applications log in: by IAM, by a secret of each merchant in AWS Secrets Manager, or by a password that you give",
    default: "iam",
    schema: z.enum(APP_LOGINS),
    rule: "must be iam, secret or password",
    fix:
      "write iam, secret for a secret of each merchant in AWS Secrets Manager, or password for roles that get theirs from " +
      "you: \\password merchant_acme_app",
  },
  connectionsPerMerchant: {
    about: "what [sizing](sizing.md) counts for each merchant",
    default: String(DEFAULTS.connectionsPerMerchant),
    schema: z.int().min(1).max(5_000),
    rule: "must be a whole number from 1 to 5000",
    fix: `leave it out for ${DEFAULTS.connectionsPerMerchant}`,
  },
  secondsPerJob: {
    about: "what [sizing](sizing.md) counts for each run of a job",
    default: String(DEFAULTS.secondsPerJob),
    schema: z.number().min(0.01).max(3_600),
    rule: "must be a number of seconds from 0.01 to 3600",
    fix: `leave it out for ${DEFAULTS.secondsPerJob}; app.recent_runs has yours`,
  },
} as const;

/** Whether there is such a class, `readClass` says. */
const INSTANCE_CLASS = {
  about: "how large it is ([sizing](sizing.md))",
  schema: z.string(),
  rule: "must be an instance class, as text",
  fix: "write it as db.r7g.large",
} as const;

const KMS_KEY = {
  about: "the key that encrypts it, and the secrets of its applications",
  default: "the account's own",
  schema: z.string().regex(/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]+$/),
  rule: "must be the ARN of a KMS key, not an alias: AWS answers with the ARN, and an alias would differ for ever",
  fix: "write it as arn:aws:kms:eu-central-1:123456789012:key/…, or leave it out for the account's own key",
} as const;

const gib = (about: string, least: number) =>
  ({
    about,
    schema: z.int().min(least).max(65_536),
    rule: `must be a whole number of GiB from ${least} to 65536`,
    fix: "write the number without quotes",
  }) as const;

export const RDS_FIELDS = {
  ...COMMON_FIELDS,
  engineVersion: {
    about: "PostgreSQL's version, with its minor version",
    schema: z.string().regex(/^1[5-8]\.\d{1,2}$/),
    rule: "must be PostgreSQL 15 to 18 with its minor version, as text",
    fix: 'write it in quotes, as "17.6": without them 17.10 is 17.1',
    required: true,
  },
  instanceClass: { ...INSTANCE_CLASS, required: true },
  storageGib: { ...gib("gp3 storage in GiB to begin with", 20), required: true },
  maxStorageGib: {
    ...gib("GiB up to which it grows by itself", 22),
    default: `${DEFAULTS.maxStorageFactor} times storageGib`,
  },
  vpcId: {
    about: "the VPC that it is in",
    schema: z.string().regex(/^vpc-[0-9a-f]{8,17}$/),
    rule: "must be the id of a VPC",
    fix: "write it as vpc-0123456789abcdef0",
    required: true,
  },
  subnetIds: {
    about: "the subnets that it is in",
    schema: z
      .array(z.string().regex(/^subnet-[0-9a-f]{8,17}$/))
      .min(2)
      .refine((ids) => new Set(ids).size === ids.length),
    rule: "must be two or more subnets, in two availability zones at least",
    fix: "write them as [subnet-0123456789abcdef0, subnet-0123456789abcdef1]",
    required: true,
  },
  clients: {
    about: "whoever connects: applications, the runner, and where `up` runs",
    schema: z
      .array(z.string().refine((client) => /^sg-[0-9a-f]{8,17}$/.test(client) || BLOCK.test(client)))
      .min(1)
      .refine((clients) => new Set(clients).size === clients.length),
    rule: "must be security groups, or blocks of IPv4 addresses of /8 at most: who may connect",
    fix: "write them as [sg-0123456789abcdef0] or [10.0.0.0/16]",
    required: true,
  },
  kmsKeyId: KMS_KEY,
  multiAz: trueOrFalse("`true`: it has a standby in another availability zone", String(DEFAULTS.multiAz)),
  backupDays: {
    about: "how long backups are kept, for a restore to any moment in that time",
    default: String(DEFAULTS.backupDays),
    schema: z.int().min(1).max(35),
    rule: "must be a whole number of days from 1 to 35",
    fix: `leave it out for ${DEFAULTS.backupDays}`,
  },
  backupWindow: {
    about: "when backups are made",
    default: DEFAULTS.backupWindow,
    schema: z.string().refine((text) => parseDaily(text) !== undefined),
    rule: "must be a span of 30 minutes or more, in GMT",
    fix: `write it as ${DEFAULTS.backupWindow}`,
  },
  maintenanceWindow: {
    about: "when Amazon may maintain it",
    default: DEFAULTS.maintenanceWindow,
    schema: z.string().refine((text) => parseWeekly(text) !== undefined),
    rule: "must be a span of 30 minutes to a day, in GMT",
    fix: `write it as ${DEFAULTS.maintenanceWindow}`,
  },
  databaseInsights: {
    about: "CloudWatch Database Insights",
    default: DEFAULTS.databaseInsights,
    schema: z.enum(["standard", "advanced"]),
    rule: "must be standard or advanced",
    fix: `leave it out for ${DEFAULTS.databaseInsights}`,
  },
  caCertificate: {
    about: "the authority that signs its certificate",
    default: DEFAULTS.caCertificate,
    schema: z.enum(AUTHORITIES),
    rule: `must be one of ${AUTHORITIES.join(", ")}`,
    fix: `leave it out for ${DEFAULTS.caCertificate}`,
  },
  parameters: {
    about: "of its parameter group, each checked by name, range and unit: `{work_mem: 8192}`",
    default: "none but the program's own",
    schema: z.unknown(),
    rule: "must map parameters to values",
    fix: "leave it out",
  },
  allowMajorVersionUpgrade: trueOrFalse("`true`: `engineVersion` may go to another major version", "false"),
  expendable: {
    about: "the cell's own name: its instance may be replaced or deleted, with everything in it",
    default: "it is protected",
    schema: z.string(),
    rule: "must be the cell's own name",
    fix: "leave it out",
  },
} as const;

/** The fields of an instance that exists. */
export const ADOPTED_FIELDS = {
  ...COMMON_FIELDS,
  identifier: {
    about: COMMON_FIELDS.identifier.about,
    schema: COMMON_FIELDS.identifier.schema,
    rule: COMMON_FIELDS.identifier.rule,
    fix: "write the identifier of the instance that exists",
    required: true,
  },
  appLogin: { ...COMMON_FIELDS.appLogin, default: "password" },
  host: {
    about: "its endpoint",
    schema: z
      .string()
      .max(253)
      .regex(/^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/),
    rule: "must be the address of its endpoint, without the port",
    fix: "write it as the console shows it: eu-1.abcdefghijkl.eu-central-1.rds.amazonaws.com",
    required: true,
  },
  port: {
    about: "the port it listens on",
    default: "5432",
    schema: z.int().min(1).max(65_535),
    rule: "must be a port, a whole number from 1 to 65535",
    fix: "write the number without quotes, or leave it out for 5432",
  },
  credential: {
    about:
      'how the administrator logs in: by IAM, or by a secret `{"username": …, "password": …}` of AWS Secrets Manager',
    default: "iam",
    schema: z.union([
      z.literal("iam"),
      z.strictObject({
        secret: z.string().regex(/^(?:arn:aws[a-z-]*:secretsmanager:[\w:/+=.@!-]+|[\w/+=.@!-]{1,512})$/),
      }),
    ]),
    rule: "must be iam, or {secret: name or ARN} of a secret in AWS Secrets Manager; it never holds the password",
    fix: "leave it out for iam: the administrator needs the role rds_iam, and no password",
  },
  caFile: {
    about: "the certificate authorities to verify the server with",
    default: "Amazon's",
    schema: z.string().min(1),
    rule: "must be the path of a file of certificates (PEM)",
    fix: "leave it out for Amazon's authorities",
  },
  instanceClass: { ...INSTANCE_CLASS, default: "no sizing" },
  kmsKeyId: { ...KMS_KEY, about: "the key that encrypts the secrets of its applications" },
} as const;
