import pg from "pg";
import { afterAll, beforeAll } from "vitest";
import type { MerchantSpec } from "../../spec/merchants.ts";
import { onboard, prepareCell, specOf } from "../merchants.ts";
import { dropMerchantLeftovers, freshName, superuserClient } from "../server.ts";
import { JobsDatabase } from "./database.ts";

/** A merchant of a test file, and fresh copies of its database. */
export interface Copies {
  readonly spec: () => MerchantSpec;
  /** Makes a copy of the merchant's database for the time of `work`. */
  readonly withCopy: <T>(work: (db: JobsDatabase) => Promise<T>) => Promise<T>;
}

/** Onboards a merchant for a test file, suspended: pg_cron must not take what a test has prepared for its own calls. */
export function useCopies(prefix: string): Copies {
  const id = freshName(prefix);
  let spec: MerchantSpec | undefined;
  let made = 0;
  beforeAll(async () => {
    await prepareCell();
    spec = specOf(id, { suspended: true });
    await onboard(spec);
    const db = await JobsDatabase.open(spec.database);
    await db.waitPatiently();
    await db.close();
  });
  afterAll(async () => {
    await dropMerchantLeftovers(`merchant_${id}`);
  });
  const given = () => {
    if (spec === undefined) throw new Error("the merchant is there in tests only, not before them");
    return spec;
  };
  return {
    spec: given,
    async withCopy(work) {
      const template = given().database;
      const name = `${template}_${String((made += 1))}`;
      const server = await superuserClient("postgres");
      try {
        await server.query(
          `create database ${pg.escapeIdentifier(name)} template ${pg.escapeIdentifier(template)} owner ${pg.escapeIdentifier(given().ownerRole)}`,
        );
        const db = await JobsDatabase.open(name);
        try {
          return await work(db);
        } finally {
          await db.close();
          await server.query(`drop database ${pg.escapeIdentifier(name)} with (force)`);
        }
      } finally {
        await server.end();
      }
    },
  };
}
