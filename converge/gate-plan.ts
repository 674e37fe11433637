import { createHash } from "node:crypto";
import type { MerchantSpec } from "../spec/merchants.ts";
import { type Hashes, shortHash } from "./sql-files.ts";

/** A merchant of a wave, as its gate knows it. */
export interface GateMember {
  readonly cell: string;
  readonly database: string;
  /** `desiredState`: when it is another one, the merchant's jobs run again. */
  readonly state: string;
  /** It stopped the wave because items went to quarantine; who runs `up` again has read that. */
  readonly quarantined?: true | undefined;
}

/** Merchants of a wave by id. */
export type GateMembers = Readonly<Record<string, GateMember>>;

/** A merchant whose jobs must run. */
export interface DueMember extends GateMember {
  readonly merchant: string;
  /** Items in quarantine were told of this very state before, and stop nothing now. */
  readonly acknowledged: boolean;
}

/** How the jobs of a merchant went. */
export interface GateOutcome {
  readonly merchant: string;
  /** What failed, a line for each job. */
  readonly failures: readonly string[];
  /** What went to quarantine since the merchant's SQL was last applied, a line for each job. */
  readonly quarantined: readonly string[];
}

/**
 * A short hash of everything that decides a merchant's database: what its line and the catalogue say, and the SQL files.
 * Two programs that differ in the order of keys only give the same.
 */
export function desiredState(merchant: MerchantSpec, sql: Readonly<Record<string, Hashes>>): string {
  return shortHash(
    createHash("sha256")
      .update(JSON.stringify(sorted({ merchant, sql })))
      .digest("hex"),
  );
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

/** The merchants that have not passed the gate with the state that they shall have now. */
export function dueMembers(members: GateMembers, before: GateMembers): readonly DueMember[] {
  return Object.entries(members).flatMap(([merchant, member]) => {
    const was = Object.hasOwn(before, merchant) ? before[merchant] : undefined;
    const same = was?.state === member.state;
    if (same && was.quarantined === undefined) return [];
    return [{ merchant, ...member, acknowledged: same }];
  });
}

/** What the state remembers after a gate stopped: those that passed, and those that only items in quarantine stopped. */
export function passedMembers(
  members: GateMembers,
  before: GateMembers,
  outcomes: readonly GateOutcome[],
): GateMembers {
  const due = new Map(dueMembers(members, before).map((member) => [member.merchant, member]));
  const found = new Map(outcomes.map((outcome) => [outcome.merchant, outcome]));
  return Object.fromEntries(
    Object.entries(members).flatMap(([merchant, member]): readonly (readonly [string, GateMember])[] => {
      if (!due.has(merchant)) return [[merchant, member]];
      const outcome = found.get(merchant);
      if (outcome === undefined || outcome.failures.length > 0) return [];
      const stopped = outcome.quarantined.length > 0 && due.get(merchant)?.acknowledged !== true;
      return [[merchant, stopped ? { ...member, quarantined: true } : member]];
    }),
  );
}

/** Why a wave stops; undefined when all of its merchants passed. */
export function describeStop(
  wave: number,
  due: readonly DueMember[],
  outcomes: readonly GateOutcome[],
): string | undefined {
  const acknowledged = new Set(due.filter((member) => member.acknowledged).map(({ merchant }) => merchant));
  const failures = outcomes.flatMap((outcome) => outcome.failures);
  const quarantined = outcomes.flatMap((outcome) => (acknowledged.has(outcome.merchant) ? [] : outcome.quarantined));
  if (failures.length + quarantined.length === 0) return undefined;
  const ways = [
    ...(failures.length > 0 ? ["repair what failed, and run up again: it goes on with this wave"] : []),
    ...(quarantined.length > 0
      ? ["look at app.job_quarantine; the next up takes the items that are there as known, and goes on"]
      : []),
  ];
  return [
    `wave ${wave} stops here, and no merchant of a later wave was changed:`,
    ...[...failures, ...quarantined].map((line) => `- ${line}`),
    `way out: ${ways.join("; ")}. Merchants that passed are not run again.`,
  ].join("\n");
}
