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
   * Roles that each of these is a member of, and the members of the owner role and the job role, with what that is good
   * for; on PostgreSQL 15 always for both.
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
  // From PostgreSQL 16 on a membership says what it is for; SET is what the administrator needs of the job role.
  const admin = target.address.user;
  for (const [role, inherit] of [
    [target.ownerRole, true],
    [target.jobRole, false],
  ] as const) {
    const is = found.memberships.some(
      (m) => m.member === admin && m.role === role && m.sets && (m.inherits || !inherit),
    );
    if (is) continue;
    const options = found.majorVersion >= 16 ? ` with inherit ${String(inherit)}, set true` : "";
    steps.push({
      about: `${admin} in ${role}`,
      statement: `grant ${quoteName(role)} to ${quoteName(admin)}${options}`,
    });
  }
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

/** What was found in the place of each thing that a plan changes. */
export function describeAccess(steps: readonly AccessStep[], found: AccessState): AccessDifferences {
  return Object.fromEntries(
    steps.map(({ about }) => {
      const role = found.roles[about];
      if (role) return [about, [...role.attributes, role.comment ?? "no comment"].join(", ")];
      return [about, about.includes(" in ") ? membershipOf(found, about) : "gone"];
    }),
  );
}

function membershipOf(found: AccessState, about: string): string {
  const [member, role] = about.split(" in ");
  return found.memberships.some((m) => m.member === member && m.role === role) ? "member" : "no member";
}
