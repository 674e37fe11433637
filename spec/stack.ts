import { reportOverfullCells } from "./aws/fits.ts";
import { parseCells, type CellSpec } from "./cells.ts";
import { reportNameCollisions, reportSharedServers } from "./collisions.ts";
import { parseJobChanges } from "./job-changes.ts";
import { reportCommonChanges } from "./job-specs.ts";
import { parseMerchants, type MerchantSpec } from "./merchants.ts";
import { CONFIG_KEYS, NAMESPACE } from "./names.ts";
import { SpecError } from "./problems.ts";
import { isObject, Report, type Path } from "./report.ts";
import { parseRollout } from "./rollout.ts";
import { parseSchedule, type PgCronVersion } from "./schedule.ts";
import { suggest } from "./suggest.ts";

/** The values of the stack's configuration as they were written, nothing checked. */
export interface RawStack {
  readonly cells: unknown;
  readonly merchants: unknown;
  /** What is changed in the catalogue's jobs for all merchants. */
  readonly jobs?: unknown;
  /** In which waves merchants are changed. */
  readonly rollout?: unknown;
  /** The other keys of the namespace `merchant-jobs`, with or without it. */
  readonly unknownKeys?: readonly string[];
}

/** A stack that was checked as a whole. */
export interface StackSpec {
  readonly cells: Readonly<Record<string, CellSpec>>;
  /** Sorted by id. */
  readonly merchants: readonly MerchantSpec[];
  /** Ids of all merchants by wave, the first one first; undefined when all are changed at once. */
  readonly waves?: readonly (readonly string[])[];
}

const CELLS: Path = [`${NAMESPACE}:cells`];
const MERCHANTS: Path = [`${NAMESPACE}:merchants`];
const JOBS: Path = [`${NAMESPACE}:jobs`];
const ROLLOUT: Path = [`${NAMESPACE}:rollout`];

/** Checks the whole configuration of a stack. Throws a SpecError with everything that is wrong in it. */
export function parseStack(raw: RawStack): StackSpec {
  const report = new Report();
  const read = parseCells(report, CELLS, raw.cells);
  const common = parseJobChanges(report, JOBS, raw.jobs);
  reportCommonChanges(report, common);
  const merchants = parseMerchants(report, MERCHANTS, raw.merchants, read, common);
  reportSharedServers(report, CELLS, read.cells);
  reportNameCollisions(report, MERCHANTS, read.cells, merchants);
  reportOverfullCells(report, CELLS, read.cells, merchants);
  const waves = parseRollout(report, ROLLOUT, raw.rollout, isObject(raw.merchants) ? Object.keys(raw.merchants) : []);
  reportUnknownKeys(report, read.secretKeys, raw.unknownKeys ?? []);
  if (report.problems.length > 0) throw new SpecError(report.problems);
  const cells = Object.fromEntries(read.cells.map((cell) => [cell.name, cell]));
  return { cells, merchants, ...(waves !== undefined && { waves }) };
}

/**
 * The oldest pg_cron that has every schedule of a cell's merchants; undefined where the runner starts them, which has all.
 * Disabled jobs count: they stand in the crontab too.
 */
export function requiredPgCron({ cells, merchants }: StackSpec, cellName: string): PgCronVersion | undefined {
  if (cells[cellName]?.scheduler === "runner") return undefined;
  const required = merchants
    .filter(({ cell }) => cell === cellName)
    .flatMap(({ jobs }) => Object.values(jobs).map(({ schedule }) => parseSchedule(schedule)))
    .map((schedule) => (schedule.kind === "problem" ? "1.4" : schedule.requires));
  if (required.includes("1.6")) return "1.6";
  return required.includes("1.5") ? "1.5" : "1.4";
}

function reportUnknownKeys(report: Report, secretKeys: readonly string[], keys: readonly string[]): void {
  const known = [...CONFIG_KEYS, ...secretKeys];
  for (const written of keys) {
    const key = written.startsWith(`${NAMESPACE}:`) ? written.slice(NAMESPACE.length + 1) : written;
    if (known.includes(key)) continue;
    const near = suggest(key, known);
    const fix =
      near === undefined
        ? `remove it with \`pulumi config rm ${key}\`, or name it in a cell: credential: {config: ${key}}`
        : `did you mean ${near}?`;
    report.add([`${NAMESPACE}:${key}`], undefined, "is not a configuration key of this program", fix);
  }
}
