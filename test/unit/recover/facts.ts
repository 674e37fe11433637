import type { Deployment, PendingOperation, Resource } from "../../../local/recover/deployment.ts";
import type { RosterEntry } from "../../../local/recover/judge.ts";
import type { CellFacts, DatabaseContent, DatabaseFacts, RoleFacts } from "../../../local/recover/server-facts.ts";

/** The one merchant of these tests, as the roster has it. */
export const acme: RosterEntry = { id: "acme", cell: "home", database: "merchant_acme" };

/** A role as CREATE ROLE leaves it. */
export function role(name: string, facts: Partial<RoleFacts> = {}): RoleFacts {
  return {
    name,
    comment: undefined,
    owns: [],
    roles: [],
    login: false,
    superuser: false,
    createDatabase: false,
    createRole: false,
    inherit: true,
    replication: false,
    bypassRowLevelSecurity: false,
    connectionLimit: -1,
    ...facts,
  };
}

/** A database as CREATE DATABASE leaves it. */
export function database(content: DatabaseContent, facts: Partial<DatabaseFacts> = {}): DatabaseFacts {
  return {
    name: acme.database,
    owner: "merchant_acme_owner",
    connectionLimit: 50,
    allowConnections: true,
    isTemplate: false,
    encoding: "UTF8",
    lcCollate: "C.UTF-8",
    lcCtype: "C.UTF-8",
    tablespaceName: "pg_default",
    content,
    ...facts,
  };
}

export const empty: DatabaseContent = { kind: "seen", objects: [], historyOwner: undefined };

/** A cell with these roles and databases. */
export function cell(roles: readonly RoleFacts[], databases: readonly DatabaseFacts[] = []): CellFacts {
  return {
    admin: "platform_admin",
    roles: new Map(roles.map((one) => [one.name, one])),
    databases: new Map(databases.map((one) => [one.name, one])),
  };
}

const PREFIX = "urn:pulumi:test::merchant-jobs::";

/** URNs as the program makes them. */
export const urns = {
  stack: `${PREFIX}pulumi:pulumi:Stack::merchant-jobs-test`,
  roster: `${PREFIX}pulumi-nodejs:dynamic/merchant-jobs:Roster::roster`,
  provider: `${PREFIX}merchant-jobs:index:Cell$pulumi:providers:postgresql::home`,
  probe: `${PREFIX}merchant-jobs:index:Cell$pulumi-nodejs:dynamic/merchant-jobs:CellProbe::home-probe`,
  merchant: `${PREFIX}merchant-jobs:index:Merchant::acme`,
  role: `${PREFIX}merchant-jobs:index:Merchant$postgresql:index/role:Role::acme-owner`,
  access: `${PREFIX}merchant-jobs:index:Merchant$pulumi-nodejs:dynamic/merchant-jobs:Access::acme-access`,
  database: `${PREFIX}merchant-jobs:index:Merchant$postgresql:index/database:Database::acme-database`,
  migrations: `${PREFIX}merchant-jobs:index:Merchant$pulumi-nodejs:dynamic/merchant-jobs:Migrations::acme-migrations`,
} as const;

const custom = (urn: string, more: Partial<Resource> = {}): Resource => ({
  urn,
  custom: true,
  type: (urn.split("::")[2] ?? "").split("$").at(-1) ?? "",
  parent: urns.merchant,
  ...more,
});

/** A merchant's resources as the engine registers them, without id and outputs. */
export const resources = {
  role: custom(urns.role, { inputs: { name: "merchant_acme_owner", login: false } }),
  access: custom(urns.access),
  database: custom(urns.database, { inputs: { name: acme.database, owner: "merchant_acme_owner" } }),
  migrations: custom(urns.migrations),
  foreign: custom(`${PREFIX}aws:s3/bucket:Bucket::things`, { parent: urns.stack }),
  merchant: { urn: urns.merchant, custom: false, type: "merchant-jobs:index:Merchant", parent: urns.stack },
} satisfies Record<string, Resource>;

/** A state with the stack, the roster of acme, its cell, and what is given. */
export function state(more: readonly Resource[], pending: readonly PendingOperation[] = []): Deployment {
  return {
    resources: [
      { urn: urns.stack, custom: false, type: "pulumi:pulumi:Stack" },
      custom(urns.roster, {
        id: "roster",
        parent: urns.stack,
        inputs: { merchants: { acme: { cell: "home", database: acme.database } }, requires: {} },
        outputs: { merchants: { acme: { cell: "home", database: acme.database } }, requires: {} },
      }),
      custom(urns.provider, { id: "p-1", parent: urns.stack }),
      custom(urns.probe, { id: "home", parent: urns.stack }),
      ...more,
    ],
    pending,
  };
}

export const creating = (resource: Resource): PendingOperation => ({ type: "creating", resource });
