import * as pulumi from "@pulumi/pulumi";
import type { JobSpec } from "../spec/jobs.ts";
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
      // Of one that is leaving, Offboard has taken them out of the crontab.
      jobs: Object.fromEntries(
        Object.values(merchant.offboard ? {} : merchant.jobs).map((job) => [job.name, jobInputs(job)]),
      ),
    };
    super(providerStub("crontab"), name, inputs, options, "merchant-jobs", "Crontab");
  }
}

/** What goes without saying is left out: the state holds it for every job of every merchant, twice. */
function jobInputs({ schedule, due, timezone, command, enabled, batches }: JobSpec) {
  const job = { schedule, command, active: enabled };
  if (batches === undefined) return job;
  const { batchSize, timeLimitSeconds, movesMoney, settings } = batches;
  return {
    ...job,
    batchSize,
    timeLimitSeconds,
    ...(movesMoney && { movesMoney }),
    ...(due !== schedule && { due }),
    ...(timezone !== "GMT" && { timezone }),
    ...(Object.keys(settings).length > 0 && { settings }),
  };
}
