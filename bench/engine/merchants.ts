import { JOBS } from "../../spec/jobs.ts";
import type { MerchantSpec } from "../../spec/merchants.ts";
import { parseStack } from "../../spec/stack.ts";

/** The lines of a stack file for this many merchants. */
export function merchantLines(prefix: string, count: number): Readonly<Record<string, object>> {
  const ids = Array.from({ length: count }, (_, i) => `${prefix}_${String(i).padStart(3, "0")}`);
  return Object.fromEntries(ids.map((id) => [id, { jobs: quietJobs() }]));
}

/** What the program makes of these lines. */
export function merchantSpecs(prefix: string, count: number): readonly MerchantSpec[] {
  return parseStack({ cells: { home: { kind: "local" } }, merchants: merchantLines(prefix, count) }).merchants;
}

/** Once a year: with the catalogue's schedules pg_cron would run hundreds of jobs in the middle of a measurement. */
function quietJobs(): object {
  return Object.fromEntries(Object.keys(JOBS).map((job) => [job, { schedule: "0 0 1 1 *" }]));
}
