import * as pulumi from "@pulumi/pulumi";
import type { MerchantSpec } from "../spec/merchants.ts";
import type { CrontabInputs } from "./providers/crontab.ts";
import { providerStub } from "./stub.ts";

/** All cron jobs of a merchant as one set, its entry in the cell's registry, and its rows of app.jobs. */
export class Crontab extends pulumi.dynamic.Resource {
  constructor(name: string, merchant: MerchantSpec, options: pulumi.CustomResourceOptions) {
    const inputs: CrontabInputs = {
      cell: merchant.cell,
      merchant: merchant.id,
      database: merchant.database,
      suspended: merchant.suspended,
      registered: true,
      jobs: Object.fromEntries(
        Object.values(merchant.jobs).map(({ name: job, schedule, command, enabled, batchSize, timeLimitSeconds }) => [
          job,
          { schedule, command, active: enabled && !merchant.suspended, batchSize, timeLimitSeconds },
        ]),
      ),
    };
    super(providerStub("crontab"), name, inputs, options, "merchant-jobs", "Crontab");
  }
}
