import type { Path, Report } from "../report.ts";
import { didYouMean } from "../suggest.ts";
import { INSTANCE_CLASSES } from "./instance-classes.ts";
import { type ParameterFact, PARAMETERS, type ParameterValue, REAL_MAX } from "./parameter-table.ts";

/** Parameters by name, written as RDS reports them. */
export type Parameters = Readonly<Record<string, string>>;

/** One parameter of a parameter group, as `aws.rds.ParameterGroup` takes it. */
export interface GroupParameter {
  readonly name: string;
  readonly value: string;
  /** As AWS reports it: another one for the same value would be a difference in every preview. */
  readonly applyMethod: "immediate" | "pending-reboot";
}

/** What RDS preloads without being asked; pg_cron is added to it. */
const PRELOADED = ["pg_stat_statements", "pg_cron"];

/** Jobs that run at the same time for each vCPU, and the least and most that a cell starts with. */
const JOBS_PER_VCPU = 4;
const [FEWEST_JOBS, MOST_JOBS] = [8, 100];

/** RDS computes a value of this form from the instance class: `{DBInstanceClassMemory/32768}`, `GREATEST(…)`. */
const FORMULA = /^(?:\{[^{}]*\}|(?:LEAST|GREATEST|SUM)\(.*\))$/;

/** Parameters that the sizing reads: a formula would hide them. */
const SIZED = ["max_connections", "max_worker_processes", "cron.max_running_jobs"];

const YES: readonly unknown[] = [true, 1, "1", "on", "true"];
const NO: readonly unknown[] = [false, 0, "0", "off", "false"];

/** Reads the parameters that a cell sets itself; those that are wrong are reported and left out. */
export function parseParameters(report: Report, path: Path, raw: unknown): Parameters {
  if (raw === undefined) return {};
  const entries = report.readMap(path, raw, "names of parameters to values", "{work_mem: 8192}");
  const read = entries.map(([name, value]) => [name, parseParameter(report, [...path, name], name, value)] as const);
  return Object.fromEntries(read.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
}

/**
 * All parameters of a cell's group: its own over what this program needs. pg_cron is loaded in any case. Workers are as
 * many as RDS gives by default, GREATEST(vCPU * 2, 8), and those of pg_cron besides.
 */
export function allParameters(own: Parameters, instanceClass: string): Parameters {
  const vcpus = INSTANCE_CLASSES[instanceClass]?.vcpus ?? 2;
  const jobs = own["cron.max_running_jobs"] ?? String(clamp(vcpus * JOBS_PER_VCPU, FEWEST_JOBS, MOST_JOBS));
  const libraries = [...PRELOADED, ...(own["shared_preload_libraries"]?.split(",") ?? [])];
  const extensions = own["rds.allowed_extensions"]?.split(",");
  return {
    ...own,
    "cron.database_name": "cron",
    "cron.log_run": "on",
    "cron.log_statement": own["cron.log_statement"] ?? "off",
    "cron.max_running_jobs": jobs,
    max_worker_processes: own["max_worker_processes"] ?? String(Number(jobs) + Math.max(vcpus * 2, 8)),
    "rds.force_ssl": "1",
    shared_preload_libraries: [...new Set(libraries)].join(","),
    // With a list, creating the extension fails for what is not on it.
    ...(extensions && { "rds.allowed_extensions": [...new Set([...extensions, "pg_cron"])].join(",") }),
  };
}

/** The parameters as those of a group, sorted by name. */
export function groupParameters(parameters: Parameters): readonly GroupParameter[] {
  return Object.entries(parameters)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => ({
      name,
      value,
      applyMethod: PARAMETERS[name]?.apply === "dynamic" ? "immediate" : "pending-reboot",
    }));
}

/** Those that a running instance has in force only after a reboot. */
export function staticParameters(parameters: Parameters): Parameters {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => PARAMETERS[name]?.apply === "static"));
}

function parseParameter(report: Report, path: Path, name: string, raw: unknown): string | undefined {
  const fact = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
  if (fact === undefined) {
    const settable = Object.keys(PARAMETERS).filter((known) => PARAMETERS[known]?.kept === undefined);
    const near = didYouMean(name, settable);
    const fix = near.startsWith("did") ? near : "take it out; spec/aws/parameter-table.ts has those that can be set";
    report.add(path, undefined, "is not a parameter of RDS for PostgreSQL that this program knows", fix);
    return undefined;
  }
  if (fact.kept !== undefined) {
    report.add(path, raw, `is not yours to set: ${fact.kept}`, "take it out");
    return undefined;
  }
  const written = writeValue(fact, name, raw);
  if (written !== undefined) return written;
  report.add(path, raw, `must be ${describeValue(fact.value)}`, "write such a value");
  return undefined;
}

/** The value as RDS reports it; undefined when it is none. */
function writeValue({ value }: ParameterFact, name: string, raw: unknown): string | undefined {
  switch (value.kind) {
    case "integer":
    case "real": {
      if (typeof raw === "string" && FORMULA.test(raw)) return SIZED.includes(name) ? undefined : raw;
      const number = typeof raw === "string" && /^-?\d+(?:\.\d+)?$/.test(raw) ? Number(raw) : raw;
      if (typeof number !== "number" || number < value.min || number > value.max) return undefined;
      return value.kind === "integer" && !Number.isInteger(number) ? undefined : String(number);
    }
    case "boolean": {
      const yes = YES.includes(raw);
      if (!yes && !NO.includes(raw)) return undefined;
      return value.written === "1 or 0" ? (yes ? "1" : "0") : yes ? "on" : "off";
    }
    case "choice":
      return typeof raw === "string" && value.choices.includes(raw) ? raw : undefined;
    case "list": {
      const names = Array.isArray(raw) ? (raw as unknown[]) : typeof raw === "string" ? raw.split(",") : [];
      const trimmed = names.map((one) => (typeof one === "string" ? one.trim() : ""));
      return trimmed.length > 0 && trimmed.every((one) => /^[\w-]+$/.test(one)) ? trimmed.join(",") : undefined;
    }
    case "text":
      return typeof raw === "string" && raw !== "" ? raw : undefined;
    default:
      return value satisfies never;
  }
}

function describeValue(value: ParameterValue): string {
  switch (value.kind) {
    case "integer":
    case "real": {
      const what = value.kind === "integer" ? "a whole number" : "a number";
      const most = value.max === REAL_MAX ? "" : ` to ${value.max}`;
      return `${what} from ${value.min}${most}${value.unit === undefined ? "" : `, in ${value.unit}`}`;
    }
    case "boolean":
      return "true or false";
    case "choice":
      return `one of ${value.choices.join(", ")}`;
    case "list":
      return "a list of names";
    case "text":
      return "text";
    default:
      return value satisfies never;
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
