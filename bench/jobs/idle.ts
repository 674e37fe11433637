import type pg from "pg";
import { medianOf } from "./paced.ts";

const TIMES = 300;

/** The medians, in milliseconds, of a run that finds nothing due, and of a procedure that commits twice and does nothing else. */
export async function idleRun(client: pg.Client): Promise<{ readonly run: number; readonly bare: number }> {
  await client.query(
    "create table public.attempts (attempt_id bigint generated always as identity primary key, finished_at timestamptz)",
  );
  await client.query(
    `create procedure public.attempt() language plpgsql as $$
     declare
       v_attempt_id bigint;
     begin
       insert into public.attempts default values returning attempt_id into v_attempt_id;
       commit;
       update public.attempts set finished_at = clock_timestamp() where attempt_id = v_attempt_id;
       commit;
     end $$`,
  );
  const took = { run: [] as number[], bare: [] as number[] };
  for (let i = 0; i < TIMES; i += 1) {
    took.run.push(await milliseconds(client, "call app.expire_lots()"));
    took.bare.push(await milliseconds(client, "call public.attempt()"));
  }
  const { rows } = await client.query<{ idle: string }>(
    "select count(*) as idle from app.job_runs where status = 'succeeded' and affected_rows = 0",
  );
  if (Number(rows[0]?.idle) !== TIMES)
    throw new Error(`${String(TIMES)} runs found nothing due: ${JSON.stringify(rows)}`);
  return { run: medianOf(took.run), bare: medianOf(took.bare) };
}

async function milliseconds(client: pg.Client, statement: string): Promise<number> {
  const began = performance.now();
  await client.query(statement);
  return performance.now() - began;
}
