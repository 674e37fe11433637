import type { CellSpec } from "../cells.ts";
import { NAMESPACE } from "../names.ts";
import type { Problem } from "../problems.ts";
import { writePath } from "../report.ts";
import { majorVersion } from "./rds-cell.ts";

/** What the stack remembers of a cell that it made: all of it is written once, in the life of an instance. */
export interface CellEntry {
  readonly region: string;
  readonly identifier: string;
  readonly vpcId: string;
  /** Left out: the account's key for RDS. */
  readonly kmsKeyId?: string | undefined;
  /** PostgreSQL's major version, which may rise. */
  readonly major: string;
  /** `allowMajorVersionUpgrade` of the stack file. */
  readonly upgrade?: true | undefined;
  /** It may be replaced or deleted, by its own name in the stack file. */
  readonly expendable?: true | undefined;
}

/** The cells that a stack makes, by name. */
export type CellEntries = Readonly<Record<string, CellEntry>>;

/**
 * What cannot change in an instance, and what would become of it: `aws.rds.Instance` answers a new key or region by another
 * instance; this program finds an instance by its identifier; and a subnet group of another VPC moves it away from its clients.
 * (Engine, database name, master user and encryption are the same for every cell.)
 */
const WRITTEN_ONCE = {
  region: "RDS would make another instance, empty",
  identifier: "nothing here would find the instance any more",
  kmsKeyId: "RDS would make another instance, empty",
  vpcId: "its clients would not reach it any more",
} as const;

/** The entries of a stack's cells; those on servers that exist are none. */
export function cellEntries(cells: Readonly<Record<string, CellSpec>>): CellEntries {
  return Object.fromEntries(
    Object.entries(cells).flatMap(([name, cell]) => {
      if (cell.kind !== "rds") return [];
      const { region, identifier, vpcId, kmsKeyId, allowMajorVersionUpgrade, expendable } = cell;
      const entry: CellEntry = {
        region,
        identifier,
        vpcId,
        ...(kmsKeyId !== undefined && { kmsKeyId }),
        major: majorVersion(cell),
        ...(allowMajorVersionUpgrade === true && { upgrade: true as const }),
        ...(expendable !== undefined && { expendable: true as const }),
      };
      return [[name, entry] as const];
    }),
  );
}

/**
 * What would cost a cell's data, by cell and property. Who wants it writes `expendable: <cell>` and runs `up` once before
 * the change: that lifts the protection, which a state keeps until then.
 */
export function cellProblems(before: CellEntries, after: CellEntries): readonly Problem[] {
  return Object.entries(before)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([name, was]) => {
      const is = Object.hasOwn(after, name) ? after[name] : undefined;
      if (is === undefined) return was.expendable ? [] : [vanished(name, was)];
      return [...replaced(name, was, is), ...upgraded(name, was, is)];
    });
}

function vanished(name: string, { identifier, region }: CellEntry): Problem {
  return {
    path: writePath([`${NAMESPACE}:cells`, name]),
    rule: `is gone, or not of kind rds any more, but its instance ${identifier} in ${region} is this stack's`,
    fix: `put it back; to lose the cell on purpose, write expendable: ${name} in an up of its own before`,
  };
}

function replaced(name: string, was: CellEntry, is: CellEntry): readonly Problem[] {
  if (was.expendable && is.expendable) return [];
  return (Object.keys(WRITTEN_ONCE) as (keyof typeof WRITTEN_ONCE)[])
    .filter((property) => was[property] !== is[property])
    .map((property) => ({
      path: writePath([`${NAMESPACE}:cells`, name, property]),
      value: is[property] ?? "(left out)",
      rule: `was ${was[property] ?? "left out"}, and is written once for ${was.identifier}: ${WRITTEN_ONCE[property]}`,
      fix: `put it back; to lose the cell on purpose, write expendable: ${name} in an up of its own before`,
    }));
}

function upgraded(name: string, was: CellEntry, is: CellEntry): readonly Problem[] {
  const [from, to] = [Number(was.major), Number(is.major)];
  if (from === to || (to > from && is.upgrade)) return [];
  const path = writePath([`${NAMESPACE}:cells`, name, "engineVersion"]);
  if (to < from) {
    const rule = `is older than ${was.major}, which the instance ${was.identifier} has: RDS has no way back`;
    return [{ path, value: is.major, rule, fix: `write a version of ${was.major}` }];
  }
  return [
    {
      path,
      value: is.major,
      rule: `is another major version than ${was.major}: the instance is down meanwhile, and there is no way back`,
      fix: "read docs/runbook/major-upgrade.md, and write allowMajorVersionUpgrade: true for that up",
    },
  ];
}
