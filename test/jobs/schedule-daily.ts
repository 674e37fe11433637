import type { JobsDatabase } from "./database.ts";

/** Gives a job a daily schedule whose last due time is about twelve hours ago, and makes that count. */
export async function scheduleDaily(db: JobsDatabase, job: string): Promise<void> {
  const days = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  await db.rows(
    `update app.jobs set enabled = true, due_from = '-infinity', schedule = 'daily', due_schedule =
       $2::jsonb || jsonb_build_object('hours', jsonb_build_array(mod(extract(hour from now() at time zone 'GMT')::int + 12, 24)))
     where name = $1`,
    [
      job,
      {
        minutes: [0],
        daysOfMonth: days(1, 31),
        months: days(1, 12),
        daysOfWeek: days(0, 6),
        domStar: true,
        dowStar: true,
        lastDayOfMonth: false,
      },
    ],
  );
}
