import * as pulumi from "@pulumi/pulumi";
import type { Scheduler } from "../spec/cells.ts";
import type { JobSpec } from "../spec/jobs.ts";
import type { MerchantSpec } from "../spec/merchants.ts";
import type { CrontabInputs } from "./providers/crontab.ts";
import { providerStub } from "./stub.ts";

/**
 * All cron jobs of a merchant as one set, which stand in pg_cron's crontab where that starts them; its entry in the cell's
 * registry, and its rows of app.jobs.
 */
export class Crontab extends pulumi.dynamic.Resource {
  constructor(name: string, merchant: MerchantSpec, scheduler: Scheduler, options: pulumi.CustomResourceOptions) {
    super(providerStub("crontab"), name, crontabInputs(merchant, scheduler), options, "merchant-jobs", "Crontab");
  }
}

/** What is declared of a merchant's jobs: the same whoever starts them, but for who that is. */
export function crontabInputs(merchant: MerchantSpec, scheduler: Scheduler): CrontabInputs {
  return {
    cell: merchant.cell,
    merchant: merchant.id,
    database: merchant.database,
    suspended: merchant.suspended,
    scheduler,
    registered: true,
    // Of one that is leaving, Offboard has taken them out of the crontab.
    jobs: Object.fromEntries(
      Object.values(merchant.offboard ? {} : merchant.jobs).map((job) => [job.name, jobInputs(job)]),
    ),
  };
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
