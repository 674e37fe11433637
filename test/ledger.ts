import type pg from "pg";
import type { MerchantSpec } from "../spec/merchants.ts";
import { onboard, specOf } from "./merchants.ts";
import { connectAs, superuserClient, waitFor } from "./server.ts";

/** A merchant's ledger whose jobs rest: they run when a test calls them. */
export interface TestLedger {
  readonly spec: MerchantSpec;
  /** As the superuser, for what no application can do: to prepare, to look, to run jobs. */
  readonly control: pg.Client;
  /** One more session of the application; ended by `end`. */
  readonly application: () => Promise<pg.Client>;
  /** One more session of the superuser; ended by `end`. */
  readonly superuser: () => Promise<pg.Client>;
  readonly end: () => Promise<void>;
}

/** Onboards a merchant for a test; what is made is the caller's to drop (dropMerchantLeftovers). */
export async function openLedger(id: string): Promise<TestLedger> {
  const spec = specOf(id, { suspended: true });
  await onboard(spec);
  const control = await superuserClient(spec.database);
  await control.query(`alter role ${spec.appRole} password 'for this test'`);
  const open = [control];
  const keep = (client: pg.Client) => {
    open.push(client);
    return client;
  };
  return {
    spec,
    control,
    application: async () => keep(await connectAs({ user: spec.appRole, password: "for this test" }, spec.database)),
    superuser: async () => keep(await superuserClient(spec.database)),
    end: async () => {
      await Promise.all(open.map((client) => client.end().catch(() => undefined)));
    },
  };
}

/** The only value of the only row. */
export async function valueOf<T>(client: pg.Client, sql: string, values: readonly unknown[] = []): Promise<T> {
  const { rows } = await client.query<unknown[]>({ text: sql, values: [...values], rowMode: "array" });
  return rows[0]?.[0] as T;
}

/** The SQLSTATE that a statement fails with; undefined when it goes well. */
export async function refusalOf(statement: Promise<unknown>): Promise<string | undefined> {
  try {
    await statement;
    return undefined;
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === undefined) throw error;
    return code;
  }
}

/** Waits until one session waits for a lock of the other. */
export async function untilBlocked(control: pg.Client, waiter: pg.Client, holder: pg.Client): Promise<void> {
  await waitFor(
    () => valueOf<boolean>(control, "select $2 = any (pg_blocking_pids($1))", [pidOf(waiter), pidOf(holder)]),
    { what: "one session waits for the other" },
  );
}

/** The process of a session on the server. */
export function pidOf(client: pg.Client): number {
  return (client as pg.Client & { readonly processID: number }).processID;
}
