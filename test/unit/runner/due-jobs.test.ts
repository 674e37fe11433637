import { expect, test } from "vitest";
import { backoff } from "../../../runner/backoff.ts";
import { DueJobs } from "../../../runner/due-jobs.ts";
import type { JobLook } from "../../../runner/look.ts";
import { TaskQueue } from "../../../runner/queue.ts";
import { isRescued, leftByPgCron, toRescue } from "../../../runner/rescue.ts";

const at = (text: string) => Date.parse(text);
const merchant = { merchant: "acme", database: "merchant_acme", suspended: false, scheduler: "runner" } as const;

function look(change: Partial<JobLook> = {}): JobLook {
  return {
    job: "lot_expiry",
    enabled: true,
    schedule: "0 2 * * *",
    timezone: "GMT",
    dueFrom: at("2026-01-01T00:00Z"),
    timeLimitSeconds: 60,
    lastSuccessAt: at("2026-06-01T02:00:01Z"),
    lastStatus: "succeeded",
    lastError: undefined,
    failuresInRow: 0,
    failingSince: undefined,
    abandonedSince: undefined,
    runningSince: undefined,
    overdueSince: undefined,
    behind: false,
    behindSince: undefined,
    quarantined: 0,
    quarantinedSince: undefined,
    zoneUnknown: false,
    ...change,
  };
}

const dues = (tasks: readonly { readonly due: number }[]) => tasks.map(({ due }) => new Date(due).toISOString());
const TWO = "2026-06-02T02:00:00.000Z";

test("a job is asked for once it is due, and then not again before the next time", () => {
  const jobs = new DueJobs();
  expect(jobs.learn(merchant, [look()], at("2026-06-01T12:00Z"), true)).toEqual([]);
  expect(jobs.take(at("2026-06-02T01:59:59.999Z"))).toEqual([]);
  expect(dues(jobs.take(at(TWO)))).toEqual([TWO]);
  expect(jobs.take(at("2026-06-02T02:00:01Z"))).toEqual([]);
  // A visit between does not begin anew.
  jobs.learn(merchant, [look({ lastSuccessAt: at(TWO) + 5 })], at("2026-06-02T03:00Z"), true);
  expect(dues(jobs.take(at("2026-06-05T04:00Z")))).toEqual(["2026-06-05T02:00:00.000Z"]);
});

test("what was due and is not done is found by a visit; what is new, disabled, done or running is not", () => {
  const learn = (change: Partial<JobLook>, retry = true) =>
    dues(new DueJobs().learn(merchant, [look(change)], at("2026-06-02T09:00Z"), retry));
  expect(learn({})).toEqual([TWO]);
  expect(learn({ lastSuccessAt: undefined })).toEqual([TWO]);
  expect(learn({ lastSuccessAt: at(TWO) })).toEqual([]);
  expect(learn({ dueFrom: at(TWO) })).toEqual([]);
  expect(learn({ enabled: false })).toEqual([]);
  expect(learn({ schedule: undefined })).toEqual([]);
  expect(learn({ runningSince: at(TWO) })).toEqual([]);
  expect(learn({}, false)).toEqual([]);
  expect(learn({ behind: true }, false)).toEqual([TWO]);
  expect(learn({ behind: true, lastStatus: "failed" }, false)).toEqual([]);
  expect(learn({ timezone: "America/New_York" })).toEqual(["2026-06-02T06:00:00.000Z"]);
});

test("a changed schedule counts from the visit that finds it; a merchant that is gone is asked for no more", () => {
  const jobs = new DueJobs();
  jobs.learn(merchant, [look()], at("2026-06-01T12:00Z"), true);
  jobs.learn(
    merchant,
    [look({ schedule: "30 12 * * *", dueFrom: at("2026-06-01T12:10Z") })],
    at("2026-06-01T12:15Z"),
    true,
  );
  expect(dues(jobs.take(at("2026-06-01T12:30Z")))).toEqual(["2026-06-01T12:30:00.000Z"]);
  jobs.forget("acme");
  expect(jobs.take(at("2026-06-05T12:30Z"))).toEqual([]);
});

test("a clock that is set forth or back loses no time: the last one is asked for again", () => {
  const jobs = new DueJobs();
  jobs.learn(merchant, [look()], at("2026-06-01T12:00Z"), true);
  expect(dues(jobs.clockSet(at("2026-06-03T12:00Z")))).toEqual(["2026-06-03T02:00:00.000Z"]);
  expect(dues(jobs.clockSet(at("2026-06-01T23:00Z")))).toEqual(["2026-06-01T02:00:00.000Z"]);
  expect(dues(jobs.take(at(TWO)))).toEqual([TWO]);
});

test("a schedule of seconds has one grid for all runners", () => {
  const jobs = new DueJobs();
  jobs.learn(
    merchant,
    [look({ schedule: "10 seconds", lastSuccessAt: at("2026-06-01T12:00:01Z") })],
    at("2026-06-01T12:00:03Z"),
    true,
  );
  expect(dues(jobs.take(at("2026-06-01T12:00:25Z")))).toEqual(["2026-06-01T12:00:20.000Z"]);
});

test("a job waits once, for its latest due time, and is not called twice at a time", () => {
  const queue = new TaskQueue();
  const task = (job: string, due: number) => ({ merchant: "acme", database: "d", job, due, timeLimitSeconds: 1 });
  queue.add(task("a", 1));
  queue.add(task("b", 1));
  queue.add(task("a", 2));
  queue.add(task("a", 1));
  expect(queue.waiting).toBe(2);
  const first = queue.take(() => true);
  expect(first).toMatchObject({ job: "a", due: 2 });
  queue.add(task("a", 3));
  expect(queue.take(({ job }) => job !== "b")).toBeUndefined();
  expect(queue.take(() => true)).toMatchObject({ job: "b" });
  queue.done(first!);
  expect(queue.take(() => true)).toMatchObject({ job: "a", due: 3 });
  queue.add(task("a", 4));
  queue.forget("acme");
  expect([queue.waiting, queue.running]).toEqual([0, 2]);
});

test("who fails is left alone for longer and longer, and never in step with others", () => {
  expect([1, 2, 3, 10, 1000].map((failures) => backoff(failures, 1))).toEqual([1000, 2000, 4000, 60_000, 60_000]);
  expect([1, 2, 3, 10, 1000].map((failures) => backoff(failures, 0))).toEqual([500, 1000, 2000, 30_000, 30_000]);
});

test("a due time that the server's clock had not come to is taken again", () => {
  const jobs = new DueJobs();
  jobs.learn(merchant, [look()], at("2026-06-01T12:00Z"), true);
  const [task] = jobs.take(at(TWO));
  expect(task).toBeDefined();
  expect(jobs.take(at(TWO))).toEqual([]);
  jobs.notYet(task!);
  expect(dues(jobs.take(at(TWO)))).toEqual([TWO]);
});

test("a job whose time zone is not known is due at no time, and takes none of the others with it", () => {
  const jobs = new DueJobs();
  const looks = [look({ timezone: "Mars/Olympus" }), look({ job: "ops_cleanup" })];
  const missed = jobs.learn(merchant, looks, at("2026-06-02T09:00Z"), true);
  expect(missed.map(({ job }) => job)).toEqual(["ops_cleanup"]);
  expect(jobs.take(at("2026-06-04T09:00Z")).map(({ job }) => job)).toEqual(["ops_cleanup"]);
});

test("pg_cron left what is overdue and was not started; with its launcher gone also what failed", () => {
  const left = (change: Partial<JobLook>, launcher = true) => leftByPgCron([look(change)], launcher);
  const overdueSince = at(TWO);
  expect(left({})).toEqual([]);
  expect(left({ overdueSince })).toEqual(["lot_expiry"]);
  expect(left({ overdueSince, runningSince: at(TWO) }, false)).toEqual([]);
  expect(left({ overdueSince, failuresInRow: 2 })).toEqual([]);
  expect(left({ overdueSince, failuresInRow: 2 }, false)).toEqual(["lot_expiry"]);
});

test("what failed is rescued too when it is overdue for longer than catch-up takes to come by", () => {
  const overdueSince = at(TWO);
  const failed = look({ overdueSince, failuresInRow: 2 });
  const after = (minutes: number, job = failed) => toRescue([job], true, overdueSince + minutes * 60_000);
  expect(after(20)).toEqual([]);
  expect(after(20.1)).toEqual(["lot_expiry"]);
  expect(after(20.1, { ...failed, runningSince: overdueSince })).toEqual([]);
  expect(after(6, look({ overdueSince }))).toEqual(["lot_expiry"]);
  expect(toRescue([failed], false, overdueSince + 360_000)).toEqual(["lot_expiry"]);
  expect(after(9_000, look({ failuresInRow: 2 }))).toEqual([]);
});

test("a cell is being rescued while pg_cron leaves what is overdue, and not while something fails or the runner is late", () => {
  const overdueSince = at(TWO);
  const isRescuedWith = (change: Partial<JobLook>, scheduler: "pg_cron" | "runner" = "pg_cron", launcher = true) => {
    const known = { seenAt: 0, knownSince: 0, failure: undefined, days: "{}", crontab: [], jobs: [look(change)] };
    return isRescued({ merchants: new Map([["acme", { ...merchant, scheduler, ...known }]]), launcher });
  };
  expect(isRescuedWith({ overdueSince })).toBe(true);
  expect(isRescuedWith({ overdueSince, failuresInRow: 1 })).toBe(false);
  expect(isRescuedWith({ overdueSince, failuresInRow: 1 }, "pg_cron", false)).toBe(true);
  expect(isRescuedWith({ overdueSince, runningSince: overdueSince })).toBe(false);
  expect(isRescuedWith({ overdueSince }, "runner")).toBe(false);
});
