import type { JobsDatabase } from "./database.ts";

/** What the second of three items does in each test job. */
export const TEST_JOBS = {
  good: "null;",
  failing: "raise exception 'the disk is full' using errcode = '53100';",
  poisoned: "raise exception 'not this one';",
  cancelled: "perform pg_catalog.pg_sleep(600);",
  terminated: "perform pg_catalog.pg_sleep(600);",
} as const;

/** Makes a job of each of these names, of three batches. They have no schedule. */
export async function makeTestJobs(db: JobsDatabase): Promise<void> {
  const cases = Object.entries(TEST_JOBS).map(([kind, statement]) => `when '${kind}' then ${statement}`);
  await db.rows(
    `create function app.test_batch(p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb)
     returns app.batch_result language plpgsql as $$
     declare v_next int := coalesce(p_cursor::int, 0) + 1;
     begin
       if p_items is null then return (array[v_next::text], to_jsonb(v_next), v_next = 3, null)::app.batch_result; end if;
       if p_items = '{2}' then case p_settings ->> 'kind' ${cases.join(" ")} end case; end if;
       return (null, null, null, 1)::app.batch_result;
     end $$`,
  );
  await db.rows(
    `insert into app.jobs (name, batch_function, batch_size, time_limit_seconds, settings)
     select kind, 'app.test_batch', 1, 3600, jsonb_build_object('kind', kind) from unnest($1::text[]) as kind`,
    [Object.keys(TEST_JOBS)],
  );
}
