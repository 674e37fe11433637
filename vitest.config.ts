import { defineConfig } from "vitest/config";
import { postgres17Root } from "./test/postgres-17.ts";

/** A throwaway PostgreSQL with pg_cron for each project that names it. */
const globalSetup = "test/global-server.ts";

export default defineConfig({
  test: {
    // Two cores are what a build machine has at least; one of three files is often waiting for pg_cron's next minute.
    maxWorkers: 3,
    projects: [
      // Pure: no server, no process but Node's own. Seconds, on a machine that does nothing else.
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 120_000 } },
      // The local engine on its own: real SDK processes, no PostgreSQL.
      { test: { name: "engine", include: ["test/engine/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 120_000 } },
      // converge/, sql/ and local/ on a real PostgreSQL with pg_cron.
      {
        test: {
          name: "db",
          include: ["test/db/**/*.test.ts"],
          globalSetup,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      // What changes with PostgreSQL's version, on PostgreSQL 17 with pg_cron 1.6: npm run test:17.
      {
        test: {
          name: "db-17",
          include: [
            "test/db/converge/**/*.test.ts",
            "test/db/{adoption,cannot-look,offboard,roster}.test.ts",
            "test/long/app-secret.test.ts",
          ],
          globalSetup,
          env: { MERCHANT_JOBS_POSTGRES_ROOT: postgres17Root, MERCHANT_JOBS_PG_BIN: `${postgres17Root}/17/bin` },
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      // The status page in a real browser.
      {
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          globalSetup: "test/browser/chromium.ts",
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      // The whole program on an engine and a real PostgreSQL.
      {
        test: {
          name: "program",
          include: ["test/program/**/*.test.ts"],
          globalSetup,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      // Every case of what the others sample, and what takes minutes: npm run test:long.
      {
        test: {
          name: "long",
          include: ["test/long/**/*.test.ts"],
          globalSetup,
          testTimeout: 3_600_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
