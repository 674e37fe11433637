import * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import { resolveEndpoint, resolvePassword } from "../converge/address.ts";
import { CRON_DATABASE } from "../converge/session.ts";
import type { CellSpec, Scheduler } from "../spec/cells.ts";
import { CellProbe } from "./cell-probe.ts";
import { Migrations } from "./migrations.ts";

/** Gives a secret of the stack's configuration as an output that stays secret. */
export type SecretReader = (key: string) => pulumi.Output<string>;

/** A server that holds merchants: how to reach it, and what we keep in its cron database. */
export class Cell extends pulumi.ComponentResource {
  declare readonly provider: postgresql.Provider;
  /** Who starts the jobs of its merchants. */
  declare readonly scheduler: Scheduler;
  /** Comes after the registry, and pg_cron where that starts the jobs, are there, and stops every merchant of a cell that cannot run jobs. */
  declare readonly probe: CellProbe;

  constructor(spec: CellSpec, secret: SecretReader, options: pulumi.ComponentResourceOptions) {
    super("merchant-jobs:index:Cell", spec.name, {}, { ...options, protect: true });
    const { dependsOn } = options;
    this.scheduler = spec.scheduler;
    this.provider = createProvider(spec, secret, { parent: this });
    const cron = new Migrations(
      `${spec.name}-cron`,
      { cell: spec.name, database: CRON_DATABASE, set: "cron", scheduler: spec.scheduler },
      { parent: this, ...(dependsOn && { dependsOn }) },
    );
    this.probe = new CellProbe(spec, { parent: this, dependsOn: [cron] });
    this.registerOutputs();
  }
}

/** Its password is the one credential that the state holds, encrypted: the provider's plugin takes it in no other way. */
function createProvider(spec: CellSpec, secret: SecretReader, options: pulumi.ResourceOptions): postgresql.Provider {
  const { host, port, user, tls, caFile } = resolveEndpoint(spec);
  const fromConfig = spec.kind === "server" && "config" in spec.credential ? spec.credential.config : undefined;
  return new postgresql.Provider(
    spec.name,
    {
      host,
      port,
      username: user,
      password: fromConfig === undefined ? pulumi.secret(resolvePassword(spec)) : secret(fromConfig),
      superuser: false,
      sslmode: tls,
      ...(caFile !== undefined && { sslrootcert: caFile }),
      connectTimeout: 10,
    },
    options,
  );
}
