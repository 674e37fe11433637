import type * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import { CRON_DATABASE } from "../converge/session.ts";
import type { CellSpec, Scheduler } from "../spec/cells.ts";
import { CellProbe } from "./cell-probe.ts";
import { Migrations } from "./migrations.ts";
import { createInstanceProvider, createProvider, type SecretReader } from "./postgresql-provider.ts";
import { createInstance } from "./rds/instance.ts";
import { Readiness } from "./readiness.ts";

/** What every cell comes after. */
export interface CellOptions {
  readonly dependsOn: pulumi.Resource[];
}

/** A server that holds merchants: the server itself where the stack makes it, how to reach it, and its cron database. */
export class Cell extends pulumi.ComponentResource {
  declare readonly provider: postgresql.Provider;
  /** Who starts the jobs of its merchants. */
  declare readonly scheduler: Scheduler;
  /**
   * Comes after the registry, and pg_cron where that starts the jobs, are there, and stops every merchant of a cell that cannot
   * run jobs.
   */
  declare readonly probe: CellProbe;
  declare readonly spec: CellSpec;

  constructor(spec: CellSpec, secret: SecretReader, { dependsOn }: CellOptions) {
    const protect = !(spec.kind === "rds" && spec.expendable !== undefined);
    super("merchant-jobs:index:Cell", spec.name, {}, { dependsOn, protect });
    this.spec = spec;
    this.scheduler = spec.scheduler;
    const after = (...more: pulumi.Resource[]) => ({ parent: this, dependsOn: [...dependsOn, ...more] });
    const cronAfter = [];
    if (spec.kind === "rds") {
      const instance = createInstance(spec, after());
      this.provider = createInstanceProvider(spec, instance, { parent: this });
      cronAfter.push(new Readiness(spec, after(instance)));
    } else {
      this.provider = createProvider(spec, secret, { parent: this });
      if (spec.kind === "adopted") cronAfter.push(new Readiness(spec, after()));
    }
    const cron = new Migrations(
      `${spec.name}-cron`,
      { cell: spec.name, database: CRON_DATABASE, set: "cron", scheduler: spec.scheduler },
      after(...cronAfter),
    );
    this.probe = new CellProbe(spec, { parent: this, dependsOn: [cron] });
    this.registerOutputs();
  }
}
