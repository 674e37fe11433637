import * as pulumi from "@pulumi/pulumi";
import type { MerchantSpec } from "../spec/merchants.ts";
import type { OffboardSpec } from "../spec/offboard.ts";
import type { OffboardInputs } from "./providers/offboard.ts";
import { providerStub } from "./stub.ts";

/** A merchant that leaves: its data exported, its jobs unscheduled; then made ready to be dropped. Remembers which. */
export class Offboard extends pulumi.dynamic.Resource {
  constructor(merchant: MerchantSpec, offboard: OffboardSpec, options: pulumi.CustomResourceOptions) {
    const inputs: OffboardInputs = {
      cell: merchant.cell,
      merchant: merchant.id,
      database: merchant.database,
      export: offboard.export,
      timeLimitMinutes: offboard.timeLimitMinutes,
      drop: offboard.phase === "drop",
      differs: {},
    };
    super(providerStub("offboard"), `${merchant.id}-offboard`, inputs, options, "merchant-jobs", "Offboard");
  }
}
