import { roleComment } from "../../converge/access-plan.ts";
import { roleNames, type RoleNames } from "../../spec/names.ts";
import type { CellFacts, DatabaseFacts, RoleFacts } from "./server-facts.ts";

/** A merchant as the roster of the state names it. */
export interface RosterEntry {
  readonly id: string;
  readonly cell: string;
  readonly database: string;
  /** It is being offboarded: what is its own may be deleted. */
  readonly leaving?: boolean;
}

/** Whether something on the server is what a killed run made for a merchant, and why; `fix` is for a person to do. */
export type Verdict =
  | { readonly kind: "absent" }
  | { readonly kind: "ours"; readonly why: string }
  | { readonly kind: "foreign"; readonly reason: string; readonly fix: string };

const MOST_NAMED = 3;

/**
 * Judges a merchant's database: ours when the owner role or the administrator owns it and it is empty, or has the
 * history that converge keeps in it. Anything else was made by somebody, and only a person knows what for.
 */
export function judgeDatabase(entry: RosterEntry, cell: CellFacts): Verdict {
  const found = cell.databases.get(entry.database);
  if (found === undefined) return { kind: "absent" };
  const { ownerRole } = roleNames(entry.database);
  const keep = `rename or drop database ${found.name}, or give the merchant another database`;
  if (found.owner !== ownerRole && found.owner !== cell.admin) {
    return { kind: "foreign", reason: `${found.owner} owns it, not ${ownerRole} or ${cell.admin}`, fix: keep };
  }
  const { content } = found;
  if (content.kind === "closed") {
    return { kind: "foreign", reason: `nobody could look into it: ${content.reason}`, fix: keep };
  }
  if (content.objects.length === 0) return { kind: "ours", why: `it is empty and ${found.owner} owns it` };
  if (content.historyOwner === ownerRole) return { kind: "ours", why: "it has the history of what was applied to it" };
  return {
    kind: "foreign",
    reason: `it holds what merchant-jobs did not make (${named(content.objects)})`,
    fix: keep,
  };
}

/**
 * Judges one of a merchant's roles: ours when it carries our comment, or owns nothing but the merchant's own database
 * and what is in it.
 */
export function judgeRole(name: string, entry: RosterEntry, cell: CellFacts): Verdict {
  const found = cell.roles.get(name);
  if (found === undefined) return { kind: "absent" };
  if (found.comment === roleComment(entry.id)) return { kind: "ours", why: "it carries the comment of merchant-jobs" };
  const isMerchants = judgeDatabase(entry, cell).kind === "ours";
  const others = found.owns.filter((owned) => !(isMerchants && owned.database === entry.database));
  if (others.length === 0) {
    const why = found.owns.length === 0 ? "it owns nothing" : `all that it owns is database ${entry.database}`;
    return { kind: "ours", why };
  }
  return {
    kind: "foreign",
    reason: `it does not carry the comment of merchant-jobs and owns ${named(others.map(({ what }) => what))}`,
    fix: `rename or drop role ${name}, or give the merchant another database (its roles are named for it)`,
  };
}

/** The role that Pulumi makes, and the two that Access makes. */
export function rolesOf(entry: RosterEntry): RoleNames {
  return roleNames(entry.database);
}

/**
 * The outputs of a role in the state, as the PostgreSQL provider reads them: what differs from the program is then an
 * update of the next `up`. It has no password to tell.
 */
export function roleOutputs(role: RoleFacts): Record<string, unknown> {
  const { name, login, superuser, createDatabase, createRole, inherit, replication, connectionLimit } = role;
  return {
    assumeRole: "",
    bypassRowLevelSecurity: role.bypassRowLevelSecurity,
    connectionLimit,
    createDatabase,
    createRole,
    encryptedPassword: true,
    id: name,
    idleInTransactionSessionTimeout: 0,
    inherit,
    login,
    name,
    replication,
    roles: role.roles,
    skipDropRole: false,
    skipReassignOwned: false,
    statementTimeout: 0,
    superuser,
    validUntil: "infinity",
  };
}

/** The outputs of a database in the state, as the PostgreSQL provider reads them. */
export function databaseOutputs(found: DatabaseFacts): Record<string, unknown> {
  const { name, owner, connectionLimit, allowConnections, isTemplate } = found;
  const { encoding, lcCollate, lcCtype, tablespaceName } = found;
  return {
    allowConnections,
    alterObjectOwnership: false,
    connectionLimit,
    encoding,
    id: name,
    isTemplate,
    lcCollate,
    lcCtype,
    name,
    owner,
    tablespaceName,
    template: "template0",
  };
}

function named(what: readonly string[]): string {
  const more = what.length > MOST_NAMED ? ` and ${String(what.length - MOST_NAMED)} more` : "";
  return `${what.slice(0, MOST_NAMED).join(", ")}${more}`;
}
