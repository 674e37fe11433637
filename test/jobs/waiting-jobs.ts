import { type JobDefinition, JOBS } from "../../spec/jobs.ts";
import type { JobsDatabase } from "./database.ts";

/** Lets these jobs run until `app.test_go` has their name. */
export async function makeWaiting(db: JobsDatabase, jobs: readonly string[]): Promise<void> {
  await db.rows("create table app.test_go (job text)");
  await db.rows("grant select on app.test_go to public");
  for (const [job, { procedure }] of Object.entries<JobDefinition>(JOBS)) {
    if (!jobs.includes(job)) continue;
    await db.rows(
      `create or replace function ${procedure}_batch(
         p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb
       ) returns app.batch_result language plpgsql as $$
       begin
         while not exists (select from app.test_go where job = '${job}') loop perform pg_sleep(0.05); end loop;
         return (null, null, true, null)::app.batch_result;
       end $$`,
    );
  }
}
