import { expect, test } from "vitest";
import { findProblems, findStopping, type PgCronFacts, type RunnerFacts } from "../../../converge/probe-plan.ts";

const settings = {
  "cron.database_name": "cron",
  "cron.timezone": "GMT",
  "cron.use_background_workers": "on",
  "cron.launch_active_jobs": "on",
  "cron.max_running_jobs": "5",
  max_worker_processes: "20",
  track_activities: "on",
};
const well: PgCronFacts = { scheduler: "pg_cron", settings, launcher: true, orphans: {}, leftovers: [], blind: [] };
const without = (name: string) => Object.fromEntries(Object.entries(settings).filter(([key]) => key !== name));

test("a cell that is well has no problem, also with a pg_cron that lacks newer settings", () => {
  expect(findProblems(well)).toEqual({});
  expect(findProblems({ ...well, settings: without("cron.timezone") })).toEqual({});
  expect(findProblems({ ...well, settings: without("cron.launch_active_jobs") })).toEqual({});
});

test.each([
  ["cron.database_name", "postgres"],
  ["cron.timezone", "Europe/Berlin"],
  ["cron.use_background_workers", "off"],
  ["cron.launch_active_jobs", "off"],
  ["cron.max_running_jobs", "20"],
  ["track_activities", "off"],
])("%s = %s is a problem of its own, with what sets it right", (name, value) => {
  const found = findProblems({ ...well, settings: { ...settings, [name]: value } });
  expect(Object.keys(found)).toEqual([name]);
  expect(found[name]).toMatch(
    /alter system set [a-z_.]+ = '[^']+'; (?:and restart the server|select pg_reload_conf\(\);)$/,
  );
});

test("where pg_cron is not loaded nothing else is said", () => {
  const found = findProblems({ ...well, settings: without("cron.database_name"), launcher: false });
  expect(Object.keys(found)).toEqual(["shared_preload_libraries"]);
});

test("where the runner starts the jobs, pg_cron and its settings do not matter, and that the runner may enter does", () => {
  const bare: RunnerFacts = {
    scheduler: "runner",
    settings: { track_activities: "on" },
    blind: [],
    runnerMayEnter: true,
  };
  expect(findProblems(bare)).toEqual({});
  expect(findProblems({ ...bare, settings: { ...settings, "cron.use_background_workers": "off" } })).toEqual({});
  expect(findStopping({ ...bare, runnerMayEnter: false })).toEqual({
    "role merchant_jobs_runner": expect.stringContaining("grant connect on database cron to") as string,
  });
  const hidden = findProblems({ ...bare, settings: { track_activities: "off" }, blind: ["Owner"] });
  expect(Object.keys(hidden)).toEqual(["track_activities", "statistics of Owner"]);
});

test("names in what is to be run are quoted", () => {
  const found = findProblems({ ...well, orphans: { 'a"b': ["7"] }, blind: ["Owner"] });
  expect(found['role a"b']).toContain('create role "a""b" login;');
  expect(found["statistics of Owner"]).toContain('to "Owner";');
});
