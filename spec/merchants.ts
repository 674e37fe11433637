import { z } from "zod";
import type { CellsRead } from "./cells.ts";
import { type JobChanges, parseJobChanges } from "./job-changes.ts";
import { jobsOf } from "./job-specs.ts";
import type { JobSpec } from "./jobs.ts";
import { DATABASE_NAME, defaultDatabase, isReservedName, MERCHANT_ID, roleNames } from "./names.ts";
import { type OffboardSpec, parseOffboard } from "./offboard.ts";
import type { Path, Report } from "./report.ts";
import { didYouMean, suggest } from "./suggest.ts";
import { knownTimezones, parseTimezone } from "./zones.ts";

/** A merchant as the stack declares it, with every default filled in and every name computed. */
export interface MerchantSpec {
  readonly id: string;
  readonly cell: string;
  readonly database: string;
  /** Owns the database and everything in it; cannot log in. */
  readonly ownerRole: string;
  /** The application logs in with it. */
  readonly appRole: string;
  /** pg_cron runs the jobs under it. */
  readonly jobRole: string;
  /** Its jobs stay in the crontab and do not run, by its own line or its cell's. Default false. */
  readonly suspended: boolean;
  /** CONNECTION LIMIT of the database; -1 is none. Default 50. */
  readonly connectionLimit: number;
  /** The zone whose local time its daily jobs keep. Default `GMT`. */
  readonly timezone: string;
  /** Every job of the catalogue, by name. */
  readonly jobs: Readonly<Record<string, JobSpec>>;
  /** It is leaving, and suspended therefore. */
  readonly offboard?: OffboardSpec;
}

const DEFAULTS = { suspended: false, connectionLimit: 50, timezone: "GMT" } as const;

/** The largest CONNECTION LIMIT that can matter: PostgreSQL's MAX_BACKENDS. */
const MAX_BACKENDS = 262_143;

const ZONE_FIX = "write it as America/New_York, or leave it out for GMT";

/** The settings of a merchant. */
export const MERCHANT_FIELDS = {
  cell: {
    about: "the cell that its database is in; it never changes",
    default: "the only cell",
    schema: z.string(),
    rule: "must be the name of a cell",
    fix: "write a name from merchant-jobs:cells, or leave it out when there is one cell only",
  },
  database: {
    about: "the name of its database, from which its roles have theirs; it never changes",
    default: "merchant_<id>",
    schema: z.string().regex(DATABASE_NAME),
    rule: "must be lower-case letters, digits and _, a letter first, at most 57 bytes (its roles are longer)",
    fix: "leave it out for merchant_<id>, or choose such a name",
  },
  suspended: {
    about: "`true`: everything stays, and its jobs rest",
    default: String(DEFAULTS.suspended),
    schema: z.boolean(),
    rule: "must be true or false",
    fix: "write true or false, without quotes",
  },
  connectionLimit: {
    about: "connections to its database at one time; -1 for no limit",
    default: String(DEFAULTS.connectionLimit),
    schema: z.int().refine((limit) => limit === -1 || (limit >= 1 && limit <= MAX_BACKENDS)),
    rule: `must be a whole number from 1 to ${MAX_BACKENDS}, or -1 for no limit`,
    fix: `write the number without quotes, or leave it out for ${DEFAULTS.connectionLimit}`,
  },
  timezone: {
    about: "such as `America/New_York`: its daily jobs keep the local time of this zone ([schedules](#schedules))",
    default: DEFAULTS.timezone,
    schema: z.string(),
    rule: "must be the name of a time zone, as text",
    fix: ZONE_FIX,
  },
  jobs: {
    about: "as `merchant-jobs:jobs`, for this merchant alone; it wins",
    default: "none",
    schema: z.unknown(),
    rule: "must map jobs to changes",
    fix: "leave it out",
  },
  offboard: {
    about: "that it leaves, and how far ([below](#a-merchant-that-leaves))",
    default: "it stays",
    schema: z.unknown(),
    rule: "must say where to export to",
    fix: "leave it out",
  },
} as const;

const EXAMPLE = "{acme: {}}";

/** Reads the map of merchants; those of which id, cell and database are known, sorted by id. */
export function parseMerchants(
  report: Report,
  path: Path,
  raw: unknown,
  cells: CellsRead,
  common: JobChanges,
): readonly MerchantSpec[] {
  return report
    .readMap(path, raw, "ids of merchants to settings", EXAMPLE)
    .map(([id, merchant]) => parseMerchant(report, path, id, merchant, cells, common))
    .filter((merchant) => merchant !== undefined)
    .sort((one, other) => (one.id < other.id ? -1 : 1));
}

function parseMerchant(
  report: Report,
  parent: Path,
  id: string,
  raw: unknown,
  cells: CellsRead,
  common: JobChanges,
): MerchantSpec | undefined {
  const path: Path = [...parent, id];
  const isId = MERCHANT_ID.test(id);
  if (!isId) {
    const rule = "is not an id for a merchant: lower-case letters, digits and _, a letter first, at most 31";
    report.add(path, undefined, rule, "choose an id such as acme or shop_24");
  }
  const fields = report.readFields(path, raw, MERCHANT_FIELDS, `${isId ? id : "acme"}: {}`);
  if (fields === undefined) return undefined;
  const cell = resolveCell(report, [...path, "cell"], fields.cell, raw, cells);
  if (fields.database !== undefined && isReservedName(fields.database)) {
    const rule = "is a name that PostgreSQL, RDS or the cell's own cron database has";
    report.add([...path, "database"], fields.database, rule, "leave it out for merchant_<id>, or choose another name");
  }
  const timezone = readTimezone(report, [...path, "timezone"], fields.timezone);
  const own = parseJobChanges(report, [...path, "jobs"], fields.jobs);
  const jobs = jobsOf(report, { id, path, timezone }, common, own);
  const offboard = parseOffboard(report, [...path, "offboard"], id, fields.offboard);
  if (!isId || cell === undefined) return undefined;

  const database = fields.database ?? defaultDatabase(id);
  const { connectionLimit = DEFAULTS.connectionLimit } = fields;
  const rests = cells.cells.some(({ name, suspended }) => name === cell && suspended === true);
  const suspended = rests || offboard !== undefined || (fields.suspended ?? DEFAULTS.suspended);
  const merchant = { id, cell, database, ...roleNames(database), suspended, connectionLimit, timezone, jobs };
  return offboard === undefined ? merchant : { ...merchant, offboard };
}

function readTimezone(report: Report, path: Path, written: string = DEFAULTS.timezone): string {
  const timezone = parseTimezone(written);
  if (timezone !== undefined) return timezone;
  const near = suggest(written, knownTimezones());
  const rule = "is not the name of a time zone that Node and PostgreSQL know";
  report.add(path, written, rule, near === undefined ? ZONE_FIX : `did you mean ${near}?`);
  return DEFAULTS.timezone;
}

function resolveCell(
  report: Report,
  path: Path,
  written: string | undefined,
  raw: unknown,
  { names }: CellsRead,
): string | undefined {
  if (written !== undefined) {
    if (names.includes(written)) return written;
    // Without any cell the missing cells are the problem, and not each merchant that refers to one.
    if (names.length > 0) report.add(path, written, "is not a cell of merchant-jobs:cells", didYouMean(written, names));
    return undefined;
  }
  const wrongType = typeof raw === "object" && raw !== null && "cell" in raw;
  if (names.length > 1 && !wrongType) {
    report.add(path, undefined, "is missing: there is more than one cell", `write cell: ${names.join(" or cell: ")}`);
  }
  return names.length === 1 && !wrongType ? names[0] : undefined;
}
