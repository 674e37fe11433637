import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SpecError } from "../../../spec/problems.ts";
import { parseStack, requiredPgCron } from "../../../spec/stack.ts";
import { refuse } from "./refuse.ts";

const home = { home: { kind: "local" } };

describe("what is wrong with a stack is told all at once", () => {
  test("every problem has its path, its value, the rule and the way out, and no credential is shown", () => {
    const error = refuse({
      cells: {
        home: { kind: "local", host: "localhost" },
        main: {
          kind: "server",
          host: "db.example.com",
          port: "5432",
          admin: "merchant_zed_app",
          pasword: "hunter2",
          credential: "hunter2",
          tls: "disable",
        },
        eu: { kind: "adopted", region: "eu-central-1", host: "db.example.com" },
        us: { kind: "sevrer" },
        "A b": { kind: "local" },
      },
      merchants: {
        acme: { cell: "hom", suspend: true },
        bluebird: { cell: "home", jobs: { lot_expirey: {}, lot_expiry: { schedule: "0 25 * * *" } } },
        coral: { cell: "home", database: "merchant_bluebird", connectionLimit: 0 },
        Delta: null,
      },
      unknownKeys: ["merchant-jobs:merchant", "dbPassword"],
    });
    expect(error.code).toBe("invalid_config");
    expect(error.message).toMatchInlineSnapshot(`
      "The configuration has 19 problems. Nothing was changed.
      - merchant-jobs:cells.home.host
          is not a setting of a local cell
          way out: remove it, or write kind: server
      - merchant-jobs:cells.main.pasword
          is not a setting that exists
          way out: take it out; say where the credential is: credential: {env: NAME} or credential: {config: key}
      - merchant-jobs:cells.main.port = "5432"
          must be a port, a whole number from 1 to 65535
          way out: write the number without quotes, or leave it out for 5432
      - merchant-jobs:cells.main.credential
          must say where the password is, by exactly one of env and config; it never holds the password
          way out: write credential: {env: DB_PASSWORD} for an environment variable, or credential: {config: dbPassword} after \`pulumi config set --secret dbPassword\`
      - merchant-jobs:cells.main.tls = "disable"
          is accepted for loopback addresses only, and the host is db.example.com
          way out: leave tls out; give the server's own certificate authority as caFile
      - merchant-jobs:cells.eu.identifier
          is missing: it must be the identifier of an instance: 2 to 63 lower-case letters, digits and single hyphens, a letter first
          way out: write the identifier of the instance that exists
      - merchant-jobs:cells.us.kind = "sevrer"
          must be local or server or rds or adopted
          way out: did you mean server?
      - merchant-jobs:cells["A b"]
          is not a name for a cell: lower-case letters, digits and -, a letter first, at most 31
          way out: choose a name such as home or eu-1
      - merchant-jobs:merchants.acme.suspend
          is not a setting that exists
          way out: did you mean suspended?
      - merchant-jobs:merchants.acme.cell = "hom"
          is not a cell of merchant-jobs:cells
          way out: did you mean home?
      - merchant-jobs:merchants.bluebird.jobs.lot_expirey
          is not a job of the catalogue (spec/jobs.ts)
          way out: did you mean lot_expiry?
      - merchant-jobs:merchants.bluebird.jobs.lot_expiry.schedule = "0 25 * * *"
          is not a schedule that pg_cron runs: the hour: 25 is not between 0 and 23
          way out: write the hour as a number from 0 to 23, a range (1-4), a step over * or a range (*/2) or a list of those (1,3)
      - merchant-jobs:merchants.coral.connectionLimit = 0
          must be a whole number from 1 to 262143, or -1 for no limit
          way out: write the number without quotes, or leave it out for 50
      - merchant-jobs:merchants.Delta
          is not an id for a merchant: lower-case letters, digits and _, a letter first, at most 31
          way out: choose an id such as acme or shop_24
      - merchant-jobs:merchants.Delta = null
          must be a map of settings
          way out: write it as acme: {}
      - merchant-jobs:cells["A b"]
          is the same server as the cell home (the local server): a server is one cell
          way out: remove it and give its merchants cell: home
      - merchant-jobs:merchants.coral.database = "merchant_bluebird"
          is the database of bluebird on the cell home
          way out: give each its own database name
      - merchant-jobs:merchant
          is not a configuration key of this program
          way out: did you mean merchants?
      - merchant-jobs:dbPassword
          is not a configuration key of this program
          way out: remove it with \`pulumi config rm dbPassword\`, or name it in a cell: credential: {config: dbPassword}"
    `);
  });

  test("one problem is told as one", () => {
    expect(refuse({ cells: home, merchants: { acme: { cell: "hme" } } }).message).toMatchInlineSnapshot(`
      "The configuration has 1 problem. Nothing was changed.
      - merchant-jobs:merchants.acme.cell = "hme"
          is not a cell of merchant-jobs:cells
          way out: did you mean home?"
    `);
  });
});

describe("a stack that is right", () => {
  const stack = parseStack({
    cells: home,
    merchants: {
      coral: { suspended: true, connectionLimit: -1 },
      acme: {},
      bluebird: { cell: "home", database: "blue", jobs: { lot_expiry: { schedule: "30 2 * * *", enabled: false } } },
      constructor: {},
    },
  });

  test("has its merchants sorted by id, with every name computed and every default filled in", () => {
    expect(stack.merchants.map(({ id }) => id)).toEqual(["acme", "bluebird", "constructor", "coral"]);
    expect(stack.merchants[0]).toMatchInlineSnapshot(`
      {
        "appRole": "merchant_acme_app",
        "cell": "home",
        "connectionLimit": 50,
        "database": "merchant_acme",
        "id": "acme",
        "jobRole": "merchant_acme_job",
        "jobs": {
          "catch_up": {
            "command": "CALL app.run_overdue()",
            "due": "*/15 * * * *",
            "enabled": true,
            "name": "catch_up",
            "schedule": "*/15 * * * *",
            "timezone": "GMT",
          },
          "history_cleanup": {
            "batches": {
              "batchSize": 2000,
              "movesMoney": false,
              "settings": {
                "retentionDays": 90,
              },
              "timeLimitSeconds": 600,
            },
            "command": "CALL app.cleanup_history()",
            "due": "30 3 * * *",
            "enabled": true,
            "name": "history_cleanup",
            "schedule": "30 3 * * *",
            "timezone": "GMT",
          },
          "idempotency_cleanup": {
            "batches": {
              "batchSize": 2000,
              "movesMoney": false,
              "settings": {
                "retentionDays": 7,
              },
              "timeLimitSeconds": 600,
            },
            "command": "CALL app.cleanup_idempotency()",
            "due": "0 3 * * *",
            "enabled": true,
            "name": "idempotency_cleanup",
            "schedule": "0 3 * * *",
            "timezone": "GMT",
          },
          "lot_expiry": {
            "batches": {
              "batchSize": 2000,
              "movesMoney": true,
              "settings": {},
              "timeLimitSeconds": 600,
            },
            "command": "CALL app.expire_lots()",
            "due": "0 2 * * *",
            "enabled": true,
            "name": "lot_expiry",
            "schedule": "0 2 * * *",
            "timezone": "GMT",
          },
          "ops_cleanup": {
            "batches": {
              "batchSize": 2000,
              "movesMoney": true,
              "settings": {},
              "timeLimitSeconds": 240,
            },
            "command": "CALL app.cleanup_expired_operations()",
            "due": "*/5 * * * *",
            "enabled": true,
            "name": "ops_cleanup",
            "schedule": "*/5 * * * *",
            "timezone": "GMT",
          },
        },
        "ownerRole": "merchant_acme_owner",
        "suspended": false,
        "timezone": "GMT",
      }
    `);
  });

  test("has what a line changes, and the catalogue for the rest", () => {
    const [, bluebird, , coral] = stack.merchants;
    expect(bluebird).toMatchObject({
      database: "blue",
      ownerRole: "blue_owner",
      appRole: "blue_app",
      jobRole: "blue_job",
    });
    expect(bluebird?.jobs["lot_expiry"]).toMatchObject({
      schedule: "30 2 * * *",
      enabled: false,
      command: "CALL app.expire_lots()",
    });
    expect(bluebird?.jobs["ops_cleanup"]).toEqual(coral?.jobs["ops_cleanup"]);
    expect(coral).toMatchObject({ suspended: true, connectionLimit: -1 });
  });
});

test("the newest pg_cron that a cell needs counts its own merchants' schedules only, disabled ones included", () => {
  const server = (host: string) => ({ kind: "server", host, admin: "a", credential: { env: "P" } });
  const scheduled = (cell: string, schedule: string, enabled = true) => ({
    cell,
    jobs: { lot_expiry: { schedule, enabled } },
  });
  const stack = parseStack({
    cells: {
      plain: server("a"),
      seconds: server("b"),
      last: server("c"),
      empty: server("d"),
      without: { ...server("e"), scheduler: "runner" },
    },
    merchants: {
      one: { cell: "plain" },
      two: scheduled("seconds", "30 seconds"),
      three: scheduled("last", "0 0 $ * *", false),
      four: scheduled("last", "30 seconds"),
      five: scheduled("without", "30 seconds"),
    },
  });
  const needs = Object.keys(stack.cells).map((cell) => requiredPgCron(stack, cell));
  expect(needs).toEqual(["1.4", "1.5", "1.6", "1.4", undefined]);
});

test("any JSON gives a stack or a SpecError, and no secret under a credential's key gets into the message", () => {
  const secret = "hunter2";
  const keys = fc.constantFrom(
    "kind",
    "host",
    "admin",
    "credential",
    "password",
    "port",
    "jobs",
    "cell",
    "x",
    "__proto__",
  );
  const leaf = fc.oneof(fc.constantFrom("server", "local", "rds", "h", 5432, true, null, "", "acme"), fc.jsonValue());
  const settings = fc.dictionary(keys, leaf);
  const secretive = settings.map((cell) => ({
    ...cell,
    password: secret,
    credential: secret,
    dbPasswd: { deep: secret },
  }));
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(fc.constantFrom("home", "A b", "constructor"), secretive),
    fc.array(secretive),
  );
  fc.assert(
    fc.property(anything, anything, (cells, merchants) => {
      try {
        parseStack({ cells, merchants });
      } catch (error) {
        expect(error).toBeInstanceOf(SpecError);
        expect(JSON.stringify([(error as SpecError).message, (error as SpecError).problems])).not.toContain(secret);
      }
    }),
    { numRuns: 1000 },
  );
});
