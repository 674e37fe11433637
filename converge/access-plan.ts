import pg from "pg";
import type { CellAddress } from "./address.ts";
import { quoteName } from "./roles.ts";

/** The roles of one merchant. The owner role is there already; the other two are ours to make. */
export interface AccessTarget {
  readonly address: CellAddress;
  readonly merchant: string;
  readonly ownerRole: string;
  readonly appRole: string;
  readonly jobRole: string;
  /** How the application logs in: by IAM on RDS; left out: by a password, which is not decided here. */
  readonly appLogin?: "iam" | undefined;
}

/** The role of RDS whose members log in by IAM, and by no password. */
const IAM_ROLE = "rds_iam";

/** What is not as it shall be: role or membership to what was found. */
export type AccessDifferences = Readonly<Record<string, string>>;

/** One change of roles, as a statement; names in it are quoted. */
export interface AccessStep {
  readonly about: string;
  readonly statement: string;
}

/** What the server says of the merchant's roles. */
export interface AccessState {
  readonly roles: Readonly<Record<string, { readonly attributes: readonly string[]; readonly comment: string | null }>>;
  /**
   * Roles that each of these is a member of, the members of the owner role and the job role, and whether the administrator is
   * one of the application role, with what that is good for; on PostgreSQL 15 always for inheriting and for SET ROLE.
   */
  readonly memberships: readonly Membership[];
  /** 15, 16, … */
  readonly majorVersion: number;
}

/**
 * That one role is in another. From PostgreSQL 16 on who makes a role gets an administrative membership in it that
 * neither inherits nor may SET ROLE (createrole_self_grant), which is not the one that converging needs.
 */
export interface Membership {
  readonly member: string;
  readonly role: string;
  readonly inherits: boolean;
  readonly sets: boolean;
  /** Whether the member may give the role to others; from PostgreSQL 16 on, also whether it may alter and drop it. */
  readonly administers: boolean;
  /** Whether the member is neither an administrator nor another merchant's role, which shows there and is healed there. */
  readonly stranger: boolean;
}

/** The comment on our roles: `recover` takes a role with it for the merchant's. */
export function roleComment(merchant: string): string {
  return `merchant-jobs: ${merchant}`;
}

/** Whether an application can log in with it, and no more. */
const WANTED = ["LOGIN"];
/** Attributes that a role of ours must not have, and how they are taken away. */
const DANGEROUS = ["SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS"];

/** Decides how roles and memberships become what they shall be. */
export function planAccess(target: AccessTarget, found: AccessState): readonly AccessStep[] {
  const steps: AccessStep[] = [];
  for (const role of [target.appRole, target.jobRole]) {
    const now = found.roles[role];
    const name = quoteName(role);
    if (now === undefined) {
      // pg_cron runs the jobs of a LOGIN role only; without a password nobody can use that to log in.
      steps.push({ about: role, statement: `create role ${name} login` });
    } else {
      const words = [
        ...WANTED.filter((word) => !now.attributes.includes(word)),
        ...DANGEROUS.filter((word) => now.attributes.includes(word)).map((word) => `NO${word}`),
      ];
      if (words.length > 0)
        steps.push({ about: role, statement: `alter role ${name} ${words.join(" ").toLowerCase()}` });
    }
    if (now?.comment !== roleComment(target.merchant)) {
      steps.push({
        about: role,
        statement: `comment on role ${name} is ${pg.escapeLiteral(roleComment(target.merchant))}`,
      });
    }
  }
  steps.push(...planAdministrator(target, found));
  const isIam = (member: string, role: string) =>
    target.appLogin === "iam" && member === target.appRole && role === IAM_ROLE;
  if (target.appLogin === "iam" && !found.memberships.some(({ member, role }) => isIam(member, role))) {
    const statement = `grant ${quoteName(IAM_ROLE)} to ${quoteName(target.appRole)}`;
    steps.push({ about: `${target.appRole} in ${IAM_ROLE}`, statement });
  }
  for (const { member, role, stranger } of found.memberships) {
    const isIn = (member === target.appRole && !isIam(member, role)) || member === target.jobRole;
    // Who has the owner role has the ledger. An administrator could give it to itself at any time. Other logins of the
    // application may be in its role.
    const hasOurs = (role === target.ownerRole || role === target.jobRole) && stranger;
    if (!isIn && !hasOurs) continue;
    steps.push({ about: `${member} in ${role}`, statement: `revoke ${quoteName(role)} from ${quoteName(member)}` });
  }
  return steps;
}

/**
 * What the administrator needs of the merchant's roles. From PostgreSQL 16 on a membership says what it is for, who makes a
 * role may administer it, and nobody else may alter it. A server of 15 that is upgraded brings what it has: so the
 * administrator has the admin option there already, where it can still give that to itself.
 */
function planAdministrator(target: AccessTarget, found: AccessState): readonly AccessStep[] {
  const admin = target.address.user;
  return [
    { role: target.ownerRole, inherit: true, set: true },
    { role: target.jobRole, inherit: false, set: true },
    { role: target.appRole, inherit: false, set: false },
  ].flatMap(({ role, inherit, set }) => {
    const now = found.memberships.find((m) => m.member === admin && m.role === role);
    // A role that is about to be made comes with it.
    const administers = now?.administers ?? (found.majorVersion >= 16 && found.roles[role] === undefined);
    if (administers && (now?.sets === true || !set) && (now?.inherits === true || !inherit)) return [];
    const options =
      found.majorVersion < 16
        ? "admin option"
        : [...(administers ? [] : ["admin true"]), `inherit ${String(inherit)}`, `set ${String(set)}`].join(", ");
    const statement = `grant ${quoteName(role)} to ${quoteName(admin)} with ${options}`;
    return [{ about: `${admin} in ${role}`, statement }];
  });
}

/** What was found in the place of each thing that a plan changes. */
export function describeAccess(steps: readonly AccessStep[], found: AccessState): AccessDifferences {
  // That nobody is in a role that is gone needs no saying.
  const gone = steps.flatMap(({ about, statement }) => (statement.startsWith("create role ") ? [` in ${about}`] : []));
  const told = steps.filter(({ about }) => !gone.some((end) => about.endsWith(end)));
  return Object.fromEntries(
    told.map(({ about, statement }) => {
      const role = found.roles[about];
      if (role) return [about, [...role.attributes, role.comment ?? "no comment"].join(", ")];
      return [about, about.includes(" in ") ? membershipOf(found, about, statement.startsWith("grant ")) : "gone"];
    }),
  );
}

function membershipOf(found: AccessState, about: string, isWanted: boolean): string {
  const [member, role] = about.split(" in ");
  const now = found.memberships.find((m) => m.member === member && m.role === role);
  if (now === undefined) return "no member";
  return isWanted && !now.administers ? "member without admin option" : "member";
}
