import { expect, test } from "vitest";
import { type AccessState, type AccessTarget, describeAccess, planAccess } from "../../../converge/access-plan.ts";

const target: AccessTarget = {
  address: {
    cell: "home",
    scheduler: "pg_cron",
    host: "127.0.0.1",
    port: 1,
    user: "admin",
    password: "hush",
    tls: "disable",
  },
  merchant: "acme",
  ownerRole: "acme_owner",
  appRole: "acme_app",
  jobRole: "acme_job",
};
const role = { attributes: ["LOGIN"], comment: "merchant-jobs: acme" };
const whole = { inherits: true, sets: true, administers: false, stranger: true };
const administrator = { ...whole, member: "admin", administers: true, stranger: false };
const right: AccessState = {
  roles: { acme_owner: { attributes: [], comment: null }, acme_app: role, acme_job: role },
  memberships: [
    { ...administrator, role: "acme_job" },
    { ...administrator, role: "acme_owner" },
    { ...administrator, role: "acme_app", inherits: false, sets: false },
    { member: "acme_owner", role: "pg_read_all_stats", ...whole },
  ],
  majorVersion: 15,
};
const statements = (found: AccessState) => planAccess(target, found).map(({ statement }) => statement);

test("nothing is planned for roles that are right", () => {
  expect(planAccess(target, right)).toEqual([]);
});

test("missing roles are made, with a comment by which they are known, and the administrator becomes a member", () => {
  const none: AccessState = { roles: {}, memberships: [], majorVersion: 15 };
  expect(statements(none)).toEqual([
    'create role "acme_app" login',
    `comment on role "acme_app" is 'merchant-jobs: acme'`,
    'create role "acme_job" login',
    `comment on role "acme_job" is 'merchant-jobs: acme'`,
    'grant "acme_owner" to "admin" with admin option',
    'grant "acme_job" to "admin" with admin option',
    'grant "acme_app" to "admin" with admin option',
  ]);
});

test("from PostgreSQL 16 on who makes a role administers it, and cannot give that to itself again", () => {
  const { acme_owner } = right.roles;
  const memberships = right.memberships.filter(({ role }) => role === "acme_owner");
  const found: AccessState = { roles: { acme_owner: acme_owner! }, memberships, majorVersion: 16 };
  expect(statements(found).filter((text) => text.startsWith("grant"))).toEqual([
    'grant "acme_job" to "admin" with inherit false, set true',
  ]);
});

test("the membership that CREATE ROLE makes from PostgreSQL 16 on is not the one that converging needs", () => {
  const implicit = { ...administrator, inherits: false, sets: false };
  const memberships = [
    { ...implicit, role: "acme_owner" },
    { ...implicit, role: "acme_job" },
    { ...implicit, role: "acme_app" },
  ];
  expect(statements({ ...right, memberships, majorVersion: 16 })).toEqual([
    'grant "acme_owner" to "admin" with inherit true, set true',
    'grant "acme_job" to "admin" with inherit false, set true',
  ]);
});

test("the administrator has the admin option before an upgrade to 16 leaves it without, and misses it after one", () => {
  const memberships = right.memberships.map((membership) => ({ ...membership, administers: false }));
  const found = { ...right, memberships };
  expect(statements(found)).toEqual([
    'grant "acme_owner" to "admin" with admin option',
    'grant "acme_job" to "admin" with admin option',
    'grant "acme_app" to "admin" with admin option',
  ]);
  expect(statements({ ...found, majorVersion: 16 })).toEqual([
    'grant "acme_owner" to "admin" with admin true, inherit true, set true',
    'grant "acme_job" to "admin" with admin true, inherit false, set true',
    'grant "acme_app" to "admin" with admin true, inherit false, set false',
  ]);
  expect(describeAccess(planAccess(target, found), found)).toMatchObject({
    "admin in acme_app": "member without admin option",
  });
});

test("attributes that nobody declared are taken away, and LOGIN is given back", () => {
  const found = { ...right, roles: { ...right.roles, acme_job: { ...role, attributes: ["SUPERUSER", "CREATEDB"] } } };
  const steps = planAccess(target, found);
  expect(steps).toEqual([{ about: "acme_job", statement: 'alter role "acme_job" login nosuperuser nocreatedb' }]);
  expect(describeAccess(steps, found)).toEqual({ acme_job: "SUPERUSER, CREATEDB, merchant-jobs: acme" });
});

test("a role of ours that is a member of another one is taken out of it", () => {
  const found = {
    ...right,
    memberships: [...right.memberships, { member: "acme_app", role: "bluebird_app", ...whole }],
  };
  const steps = planAccess(target, found);
  expect(steps.map(({ statement }) => statement)).toEqual(['revoke "bluebird_app" from "acme_app"']);
  expect(describeAccess(steps, found)).toEqual({ "acme_app in bluebird_app": "member" });
});

test("who is in the owner role or the job role is taken out of it, unless it may make roles anyway", () => {
  const others = [
    { member: "eve", role: "acme_owner", ...whole },
    { member: "eve", role: "acme_job", ...whole },
    { member: "login_of_the_app", role: "acme_app", ...whole },
    { ...administrator, member: "another_admin", role: "acme_owner" },
  ];
  const found = { ...right, memberships: [...right.memberships, ...others] };
  const steps = planAccess(target, found);
  expect(steps.map(({ statement }) => statement)).toEqual([
    'revoke "acme_owner" from "eve"',
    'revoke "acme_job" from "eve"',
  ]);
  expect(describeAccess(steps, found)).toEqual({ "eve in acme_owner": "member", "eve in acme_job": "member" });
});

test("a role that is missing is gone", () => {
  const { acme_owner, acme_job } = right.roles;
  const found = { ...right, roles: { acme_owner: acme_owner!, acme_job: acme_job! } };
  expect(describeAccess(planAccess(target, found), found)).toEqual({ acme_app: "gone" });
});

test("an application that logs in by IAM is in the role of RDS for that, and one with a password is not", () => {
  const iam = { ...target, appLogin: "iam" } as const;
  expect(planAccess(iam, right).map(({ statement }) => statement)).toEqual(['grant "rds_iam" to "acme_app"']);
  const member = { member: "acme_app", role: "rds_iam", ...whole };
  const inside = { ...right, memberships: [...right.memberships, member] };
  expect(planAccess(iam, inside)).toEqual([]);
  expect(statements(inside)).toEqual(['revoke "rds_iam" from "acme_app"']);
  const job = { ...right, memberships: [...inside.memberships, { ...member, member: "acme_job" }] };
  expect(planAccess(iam, job).map(({ statement }) => statement)).toEqual(['revoke "rds_iam" from "acme_job"']);
});
