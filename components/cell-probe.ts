import * as pulumi from "@pulumi/pulumi";
import type { CellSpec } from "../spec/cells.ts";
import type { CellProbeInputs } from "./providers/probe.ts";
import { providerStub } from "./stub.ts";

/** Looks whether a cell can run jobs at all, and changes nothing: its merchants wait for it, and stop where it cannot. */
export class CellProbe extends pulumi.dynamic.Resource {
  constructor({ name: cell, scheduler }: CellSpec, options: pulumi.CustomResourceOptions) {
    const inputs: CellProbeInputs = { cell, scheduler, finds: {} };
    super(providerStub("probe"), `${cell}-probe`, inputs, options, "merchant-jobs", "CellProbe");
  }
}
