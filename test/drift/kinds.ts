// What can be changed by hand, as one table: test/program/drift.test.ts applies each line to a converged cell,
// test/db/converge/drift-objects.test.ts those of objects one by one, and docs/drift.md lists them.
import type { MerchantSpec } from "../../spec/merchants.ts";
import { specOf } from "../merchants.ts";
import { cellKinds } from "./cell-kinds.ts";
import { crontabKinds } from "./crontab-kinds.ts";
import { objectKinds } from "./object-kinds.ts";
import { roleKinds } from "./role-kinds.ts";

/** One thing that somebody can change by hand. In its texts `$db`, `$owner`, `$app`, `$job` and `$id` stand for the merchant's. */
export interface DriftKind {
  /** In words; no two kinds have the same. */
  readonly kind: string;
  /** The merchant it is done to, or `home` for the cell. */
  readonly at: string;
  /** Where the statements run, by a superuser: in the merchant's own database, or in another one. */
  readonly in: "own" | "cron" | "postgres";
  readonly by: string;
  /** The resource that shows it: `<merchant>-crontab` and so on, without the merchant. */
  readonly resource: string;
  /** Lines of the preview's diff of that resource, in their order; how the object was, then how it is. */
  readonly shows: readonly string[];
  /** Other resources that show it too. */
  readonly also?: readonly string[];
}

/** The stack: coral is suspended, and nobody touches zinnia. */
export const MERCHANTS = {
  acme: {},
  bluebird: {},
  coral: { suspended: true },
  dahlia: {},
  ember: {},
  fern: {},
  grove: {},
  hazel: {},
  iris: {},
  juniper: {},
  kale: {},
  lotus: {},
  zinnia: {},
} as const;

/** Every kind that `up --refresh` heals, all of which can be there at once. */
export const HEALED: readonly DriftKind[] = [...crontabKinds, ...objectKinds, ...roleKinds, ...cellKinds];

/** A text of a kind with the names of a merchant. */
export function named(text: string, { id, database, ownerRole, appRole, jobRole }: MerchantSpec): string {
  const names: Readonly<Record<string, string>> = {
    id,
    db: database,
    owner: ownerRole,
    app: appRole,
    job: jobRole,
  };
  return text.replaceAll(/\$(id|db|owner|app|job)\b/g, (_all, name: string) => names[name] ?? "");
}

/** The merchant of a kind; a cell's has none, and its texts no names. */
export function merchantOf(at: string): MerchantSpec {
  return specOf(at);
}
