import { expect, test } from "vitest";
import { CRON_DATABASE, type Session, withSharedSession } from "../../../converge/session.ts";
import { specOf, targetsOf } from "../../merchants.ts";

const { address } = targetsOf(specOf("shared")).migrations;

async function backendOf(session: Session): Promise<number | undefined> {
  const found = await session.query<{ pid: number }>("select pg_catalog.pg_backend_pid() as pid");
  return found.rows[0]?.pid;
}

test("reads that are under way at once take turns on one connection, which the last one closes", async () => {
  const read = <T>(work: (session: Session) => Promise<T>) => withSharedSession(address, CRON_DATABASE, work);
  const [first, failed, last] = await Promise.allSettled([
    read(backendOf),
    read((session) => session.query("select no_such_column")),
    read(backendOf),
  ]);
  expect(first).toEqual({ status: "fulfilled", value: expect.any(Number) as number });
  expect(failed).toMatchObject({ status: "rejected", reason: { code: "42703" } });
  expect(last).toEqual(first);
  expect(await read(backendOf)).not.toBe(first.status === "fulfilled" && first.value);
});

test("reads of a database that is not there all say so", async () => {
  const read = () => withSharedSession(address, "no_such_database", backendOf);
  for (const outcome of await Promise.allSettled([read(), read()]))
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "not_connected" } });
});
