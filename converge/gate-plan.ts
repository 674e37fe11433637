import { createHash } from "node:crypto";
import type { MerchantSpec } from "../spec/merchants.ts";
import { type Hashes, shortHash } from "./sql-files.ts";

/** A merchant of a wave, as its gate knows it. */
export interface GateMember {
  readonly cell: string;
  readonly database: string;
  /** `desiredState`: when it is another one, the merchant's jobs run again. */
  readonly state: string;
}

/** Merchants of a wave by id. */
export type GateMembers = Readonly<Record<string, GateMember>>;

/**
 * Up to which item in quarantine a merchant's have been told, by a wave that they stopped: the server's time at which it
 * went there, in ISO 8601. It outlives the state that it was told in: the same item never stops a wave twice.
 */
export type Told = Readonly<Record<string, string>>;

/** What the state remembers of a gate. */
export interface GateMemory {
  /** Those that passed. */
  readonly merchants: GateMembers;
  readonly told: Told;
}

/** A merchant whose jobs must run. */
export interface DueMember extends GateMember {
  readonly merchant: string;
  /** As in `Told`; items that were told stop nothing now. */
  readonly told: string | undefined;
}

/** How the jobs of a merchant went. */
export interface GateOutcome {
  readonly merchant: string;
  /** What failed, a line for each job. */
  readonly failures: readonly string[];
  /** What went to quarantine since the merchant's SQL was last applied and was not told yet, a line for each job. */
  readonly quarantined: readonly string[];
  /** As in `Told`, once these lines are; undefined where there are none. */
  readonly told: string | undefined;
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
export function dueMembers(members: GateMembers, before: GateMemory): readonly DueMember[] {
  return Object.entries(members).flatMap(([merchant, member]) => {
    if (own(before.merchants, merchant)?.state === member.state) return [];
    return [{ merchant, ...member, told: own(before.told, merchant) }];
  });
}

/** What the state remembers after a gate: those that passed, and what was told. */
export function gateMemory(members: GateMembers, before: GateMemory, outcomes: readonly GateOutcome[]): GateMemory {
  const due = new Set(dueMembers(members, before).map(({ merchant }) => merchant));
  const found = new Map(outcomes.map((outcome) => [outcome.merchant, outcome]));
  const passed = ([merchant]: readonly [string, GateMember]): boolean => {
    const outcome = found.get(merchant);
    return !due.has(merchant) || (outcome !== undefined && isWell(outcome));
  };
  const told = Object.keys(members).flatMap((merchant) => {
    const until = found.get(merchant)?.told ?? own(before.told, merchant);
    return until === undefined ? [] : [[merchant, until] as const];
  });
  return {
    merchants: Object.fromEntries(Object.entries(members).filter(passed)),
    told: Object.fromEntries(told),
  };
}

function isWell({ failures, quarantined }: GateOutcome): boolean {
  return failures.length + quarantined.length === 0;
}

function own<T>(of: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(of, key) ? of[key] : undefined;
}

/** Why a wave stops; undefined when all of its merchants passed. */
export function describeStop(wave: number, outcomes: readonly GateOutcome[]): string | undefined {
  const failures = outcomes.flatMap((outcome) => outcome.failures);
  const quarantined = outcomes.flatMap((outcome) => outcome.quarantined);
  if (outcomes.every(isWell)) return undefined;
  const ways = [
    ...(failures.length > 0 ? ["repair what failed, and run up again: it goes on with this wave"] : []),
    ...(quarantined.length > 0
      ? ["look at app.job_quarantine; the next up takes the items that were told here as known, and goes on"]
      : []),
  ];
  return [
    `wave ${wave} stops here, and no merchant of a later wave was changed:`,
    ...[...failures, ...quarantined].map((line) => `- ${line}`),
    `way out: ${ways.join("; ")}. Merchants that passed are not run again.`,
  ].join("\n");
}
