import * as pulumi from "@pulumi/pulumi";
import { desiredState } from "../converge/gate-plan.ts";
import type { MerchantSpec } from "../spec/merchants.ts";
import { setHashes } from "./migrations.ts";
import type { GateInputs } from "./providers/gate.ts";
import { providerStub } from "./stub.ts";

/**
 * Ends a wave: runs the jobs of each of its merchants that changed once, and stops where one fails. What is in the next
 * wave depends on it alone.
 */
export class Gate extends pulumi.dynamic.Resource {
  /** `wave` is its number, from 1. It must depend on the merchants' crontabs, which are the last of what is changed. */
  constructor(wave: number, merchants: readonly MerchantSpec[], options: pulumi.CustomResourceOptions) {
    const sql = setHashes("merchant");
    const members = merchants.map(
      (spec) => [spec.id, { cell: spec.cell, database: spec.database, state: desiredState(spec, sql) }] as const,
    );
    const inputs: GateInputs = { wave, merchants: Object.fromEntries(members) };
    super(providerStub("gate"), `wave-${wave}`, inputs, options, "merchant-jobs", "Gate");
  }
}
