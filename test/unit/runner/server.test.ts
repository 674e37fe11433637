import { describe, expect, test } from "vitest";
import { ConvergeError } from "../../../converge/errors.ts";
import { ConfigError, parseConfig } from "../../../runner/config.ts";
import { answerHealth } from "../../../runner/http/health.ts";
import { createMetrics } from "../../../runner/http/metrics.ts";
import { createServer } from "../../../runner/http/server.ts";
import { knowNothing } from "../../../runner/knowledge.ts";
import { loginsFor, lookOnce, renderStatus } from "../../../runner/status.ts";
import { steadyNow } from "../../../runner/steady-clock.ts";
import { findTroubles } from "../../../runner/trouble.ts";
import { fleetOf } from "../../browser/fleets.ts";

const now = steadyNow();
const TOKEN = "a token of thirty characters!!";

function server(host: string, token?: string, knowledge = fleetOf(2, now)) {
  return createServer({ knowledge, metrics: createMetrics(), listen: { host, port: 0 }, token });
}

describe("who may ask", () => {
  test("bound to a network it does not start without a token that cannot be guessed", () => {
    expect(() => server("0.0.0.0")).toThrow(/MERCHANT_JOBS_RUNNER_TOKEN/);
    expect(() => server("::")).toThrow(ConfigError);
    expect(() => server("127.0.0.1", "short")).toThrow(/fewer than 16 characters/);
    expect(() => server("0.0.0.0", TOKEN)).not.toThrow();
    expect(() => server("127.0.0.1")).not.toThrow();
  });

  test.for(["/", "/health", "/metrics", "/health?x=/healthz", "/style.css", "/nothing"])(
    "%s needs the token",
    async (url) => {
      const app = server("0.0.0.0", TOKEN);
      for (const authorization of [undefined, "Bearer", "Bearer wrong", `Basic ${TOKEN}`, `Bearer ${TOKEN}x`]) {
        const { statusCode, body } = await app.inject({ url, headers: { ...(authorization && { authorization }) } });
        expect([statusCode, body]).toEqual([401, '{"error":"give the bearer token"}']);
      }
      const { statusCode } = await app.inject({ url, headers: { authorization: `Bearer ${TOKEN}` } });
      expect(statusCode).toBe(url === "/nothing" ? 404 : 200);
    },
  );

  test("those who start it may ask whether it lives and is ready", async () => {
    const app = server("0.0.0.0", TOKEN);
    expect((await app.inject("/healthz")).statusCode).toBe(200);
    expect((await app.inject("/readyz")).statusCode).toBe(200);
    const young = server("0.0.0.0", TOKEN, knowNothing(["home"], { cell: 15_000, merchant: 300_000 }, now));
    expect((await young.inject("/readyz")).statusCode).toBe(503);
  });
});

describe("what is too old, or wrong with a clock", () => {
  test("nothing is known yet: 503, and no trouble before there was time to look", () => {
    const young = knowNothing(["home"], { cell: 15_000, merchant: 300_000 }, now);
    expect(answerHealth(young, {}, now)).toMatchObject({ code: 503, body: { status: "starting", troubles: [] } });
    expect(findTroubles(young, now + 60_001)).toMatchObject([
      { kind: "unseen", severe: true, cell: "home", since: expect.closeTo(now, -3) as number, age: 60_001 },
    ]);
  });

  test("a cell that has not answered for four looks, a merchant that was not visited in three rounds", () => {
    const fleet = fleetOf(2, now);
    expect(findTroubles(fleet, now)).toEqual([]);
    fleet.cells.get("home")!.merchants.get("merchant0001")!.seenAt = now - 900_001;
    expect(findTroubles(fleet, now)).toMatchObject([{ kind: "unseen", severe: true, merchant: "merchant0001" }]);
    fleet.cells.get("home")!.seenAt = now - 60_001;
    expect(findTroubles(fleet, now).map(({ merchant }) => merchant)).toEqual(["merchant0001", undefined]);
    expect(answerHealth(fleet, {}, now).code).toBe(503);
    expect(answerHealth(fleet, { merchant: "merchant0000", cell: "other" }, now).code).toBe(404);
  });

  test.for([
    [59_000, []],
    [
      -61_000,
      [
        {
          kind: "clock_skew",
          severe: false,
          text: "the clock of cell home differs from the one here: it is 61 s behind",
        },
      ],
    ],
    [
      3_600_000,
      [
        {
          kind: "clock_skew",
          severe: false,
          text: "the clock of cell home differs from the one here: it is 3600 s ahead",
        },
      ],
    ],
  ] as const)("clocks that differ by %i ms", ([clockSkew, expected]) => {
    const fleet = fleetOf(1, now);
    fleet.cells.get("home")!.clockSkew = clockSkew;
    expect(findTroubles(fleet, now)).toMatchObject(expected);
    expect(answerHealth(fleet, {}, now).code).toBe(200);
  });
});

test("a cell whose password is not here is named by the terminal, and keeps nobody from looking at the others", async () => {
  const error = new ConvergeError("no_credential", "cell eu-1: there is no password for platform_admin; set it");
  const { text, failed } = renderStatus(await lookOnce([], new Map([["eu-1", error]])), steadyNow());
  expect(failed).toBe(true);
  expect(text).toContain("  !! cell eu-1 cannot be looked at: there is no password for platform_admin; set it");
});

test("the terminal says how to come into a cell that has a trouble, and into no other, and no password", () => {
  const address = { cell: "home", host: "db.example.com", port: 5433, user: "platform_admin", password: "hunter2" };
  const addresses = [{ ...address, tls: "disable" } as const];
  expect(loginsFor(fleetOf(2, now, { 0: { failuresInRow: 1 } }), addresses, now)).toBe(
    "cell home: psql --host db.example.com --port 5433 --username platform_admin --dbname cron",
  );
  expect(loginsFor(fleetOf(2, now), addresses, now)).toBe("");
});

test("an answer that ends with a question has no full stop behind it", async () => {
  const error = new ConvergeError(
    "not_connected",
    "cell eu-1, database cron at db:1: ECONNREFUSED; is this its address?",
  );
  const { text } = renderStatus(await lookOnce([], new Map([["eu-1", error]])), steadyNow());
  expect(text.split("\n")[0]).toMatch(/^Cell eu-1 cannot be looked at: .*address\?$/);
});

test("a run that began in time and takes long is overdue, and not severe; one that began before is", () => {
  const overdueSince = now - 3_600_000;
  const severe = (runningSince: number | undefined) =>
    findTroubles(fleetOf(1, now, { 0: { overdueSince, runningSince } }), now).map((trouble) => trouble.severe);
  expect(severe(undefined)).toEqual([true]);
  expect(severe(overdueSince - 1)).toEqual([true]);
  expect(severe(overdueSince)).toEqual([false]);
  const running = fleetOf(1, now, { 0: { overdueSince, runningSince: overdueSince } });
  expect(answerHealth(running, {}, now)).toMatchObject({ code: 200, body: { status: "trouble" } });
});

test("a job is overdue since the first time that nobody came after, and not since the newest", () => {
  const at = (time: string) => Date.parse(`2026-11-${time}Z`);
  const noon = at("24T12:00");
  const job = { schedule: "*/5 * * * *", lastSuccessAt: at("24T09:10:02"), overdueSince: at("24T11:55") };
  const found = (change: object) => {
    const fleet = fleetOf(1, noon, { 0: { ...job, ...change } });
    const [overdue] = findTroubles(fleet, noon);
    const { body } = answerHealth(fleet, { merchant: "merchant0000" }, noon);
    expect(JSON.stringify(body)).toContain(`"overdueSince":"${new Date(overdue!.since!).toISOString()}"`);
    return [overdue?.since, overdue?.age];
  };
  expect(found({})).toEqual([at("24T09:15"), 165 * 60_000]);
  // It is due by the local clocks of its zone, once a day.
  const inZone = { schedule: "0 2 * * *", timezone: "Europe/Berlin", overdueSince: at("24T01:00") };
  expect(found({ ...inZone, lastSuccessAt: at("20T01:00:01") })[0]).toBe(at("21T01:00"));
  // What was due before it was counted from is nothing that it missed.
  expect(found({ lastSuccessAt: undefined, dueFrom: at("24T11:50") })[0]).toBe(at("24T11:55"));
});

test("of a cell that does not answer no page says that a merchant is on time", async () => {
  const fleet = fleetOf(2, now);
  const app = server("127.0.0.1", undefined, fleet);
  expect((await app.inject("/")).body).toContain("on time");
  expect((await app.inject("/?merchant=merchant0000")).statusCode).toBe(200);
  const home = fleet.cells.get("home")!;
  home.failure = { message: "nobody is there", since: now - 3_600_000 };
  home.seenAt = now - 3_600_000;
  for (const url of ["/", "/?merchant=merchant0000"]) {
    const { statusCode, body } = await app.inject(url);
    expect([statusCode, body.includes("on time"), body.includes("nobody is there")], url).toEqual([503, false, true]);
  }
});

describe("the configuration", () => {
  test("has defaults for everything but where the cells are", () => {
    expect(parseConfig("cells: {home: {host: db.example.com, credential: {file: /run/secrets/x}}}", "it")).toEqual({
      cells: {
        home: {
          host: "db.example.com",
          port: 5432,
          user: "merchant_jobs_runner",
          credential: { file: "/run/secrets/x" },
          tls: "verify-full",
        },
      },
      listen: { host: "127.0.0.1", port: 9187 },
      maxRunsPerCell: 5,
      rescue: true,
      cellEverySeconds: 15,
      merchantEverySeconds: 300,
      graceSeconds: 25,
    });
  });

  test("every problem is named at once, with its place and without a value", () => {
    const text = JSON.stringify({
      cells: {
        Home: { host: "h", credential: { env: "A" } },
        eu: { host: "h", tls: "disable", credential: "hunter2" },
      },
      maxRunsPerCell: 0,
      merchants: {},
    });
    let message = "";
    try {
      parseConfig(text, "runner.yaml");
    } catch (error) {
      message = (error as Error).message;
    }
    for (const place of ["cells.Home", "cells.eu.credential", "maxRunsPerCell", "merchants"]) {
      expect(message).toContain(place);
    }
    expect(message).not.toContain("hunter2");
    expect(() => parseConfig("", "it")).toThrow(/cells/);
    expect(() => parseConfig("{", "it")).toThrow(/neither YAML nor JSON/);
  });

  test.for([
    'cells: {home: {host: h, password: "hunter2}}',
    "cells:\n  home:\n    password: hunter2: hunter2\n",
    "cells:\n  home: {password: hunter2\n",
    '{"cells": {"home": {"password": "hunter2" "host": 1}}}',
  ])("a text that cannot be read is named without a line of it, in which a password may stand: %j", (text) => {
    let message = "";
    try {
      parseConfig(text, "runner.yaml");
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/^runner\.yaml /);
    expect(message).not.toContain("hunter2");
  });
});
