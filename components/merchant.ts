import * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import { appLoginOf } from "../spec/aws/app-login.ts";
import type { MerchantSpec } from "../spec/merchants.ts";
import { Access } from "./access.ts";
import type { Cell } from "./cell.ts";
import { Crontab } from "./crontab.ts";
import type { Gate } from "./gate.ts";
import { Migrations } from "./migrations.ts";
import { Offboard } from "./offboard.ts";

/** What a merchant needs around it. */
export interface MerchantArgs {
  readonly spec: MerchantSpec;
  readonly cell: Cell;
  /** Refuses before anything of a merchant is touched. */
  readonly roster: pulumi.Resource;
  /** Ends the wave before the merchant's; it comes after roster and probes, and stands for them. */
  readonly gate?: Gate | undefined;
}

/**
 * A merchant: its roles, database, schema and crontab, each after the one before it, so that on the way out the roles
 * go after the database. Everything is protected: taking the line out must not delete a ledger. Names are plain
 * strings from the spec: an output would turn one drifted resource into an unknown input of the next.
 *
 * Of one that is leaving nothing is protected, in the state already before it is dropped: what the state protects is not
 * deleted, whatever the program says. When it is dropped, its resources are not declared any more.
 */
export class Merchant extends pulumi.ComponentResource {
  /** The last of its resources; undefined for one that is dropped. */
  declare readonly crontab: Crontab | undefined;

  constructor({ spec, cell, roster, gate }: MerchantArgs) {
    super("merchant-jobs:index:Merchant", spec.id, {}, { protect: spec.offboard === undefined });
    const after = (...dependsOn: pulumi.Resource[]) => ({ parent: this, dependsOn });
    const first = gate ? after(gate) : after(roster, cell.probe);
    if (spec.offboard?.phase === "drop") {
      new Offboard(spec, spec.offboard, first);
      this.registerOutputs();
      return;
    }
    const owner = createOwnerRole(spec, { ...first, provider: cell.provider });
    const access = createAccess(spec, cell, after(owner));
    const database = createDatabase(spec, { ...after(access), provider: cell.provider });
    const migrations = createMigrations(spec, after(database));
    // Before the crontab, of which no job is taken out before its runs have ended. That depends on the migrations all the
    // same: when they are deleted, Offboard is not between them.
    const offboard = spec.offboard && new Offboard(spec, spec.offboard, after(migrations));
    this.crontab = new Crontab(
      `${spec.id}-crontab`,
      spec,
      cell.scheduler,
      after(migrations, ...(offboard ? [offboard] : [])),
    );
    this.registerOutputs();
  }
}

/**
 * What has a default is said all the same: where all that was left to the defaults has been changed by hand, the provider
 * takes what a refresh found for them, and it stays (pulumi-terraform-bridge, pkg/tfbridge/defaults.go). Without the empty search
 * path the first refresh shows one.
 */
function createOwnerRole(spec: MerchantSpec, options: pulumi.CustomResourceOptions) {
  return new postgresql.Role(
    `${spec.id}-owner`,
    {
      name: spec.ownerRole,
      login: false,
      // The functions that look whether a run is alive belong to the owner: without this they see no other session.
      roles: ["pg_read_all_stats"],
      inherit: true,
      superuser: false,
      createDatabase: false,
      createRole: false,
      replication: false,
      bypassRowLevelSecurity: false,
      connectionLimit: -1,
      validUntil: "infinity",
      encryptedPassword: true,
      searchPaths: [],
    },
    { ...options, retainOnDelete: spec.offboard === undefined },
  );
}

function createAccess(spec: MerchantSpec, cell: Cell, options: pulumi.CustomResourceOptions) {
  const { id: merchant, database } = spec;
  const inputs = { cell: spec.cell, merchant, database, ...appLoginOf(cell.spec, merchant) };
  return new Access(`${merchant}-access`, inputs, options);
}

/**
 * A change of template or encoding would replace the database, and with it the ledger: both are ignored. As with the role,
 * what has a default is said.
 */
function createDatabase(spec: MerchantSpec, options: pulumi.CustomResourceOptions) {
  return new postgresql.Database(
    `${spec.id}-database`,
    {
      name: spec.database,
      owner: spec.ownerRole,
      connectionLimit: spec.connectionLimit,
      allowConnections: true,
      isTemplate: false,
    },
    {
      ...options,
      retainOnDelete: spec.offboard === undefined,
      ignoreChanges: ["template", "encoding", "lcCollate", "lcCtype"],
    },
  );
}

function createMigrations(spec: MerchantSpec, options: pulumi.CustomResourceOptions) {
  return new Migrations(
    `${spec.id}-migrations`,
    { cell: spec.cell, database: spec.database, set: "merchant" },
    options,
  );
}
