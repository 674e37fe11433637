// The table of parameters against a real server, for what is PostgreSQL's own: nobody types hundreds of figures without a slip.
import { expect, test } from "vitest";
import { PARAMETERS } from "../../../spec/aws/parameter-table.ts";
import { superuserClient } from "../../server.ts";

interface Setting {
  readonly name: string;
  readonly context: string;
  readonly vartype: string;
  readonly unit: string | null;
  readonly min_val: string | null;
  readonly max_val: string | null;
  readonly enumvals: readonly string[] | null;
}

test("what is PostgreSQL's own has its context, unit, range and choices", async () => {
  const client = await superuserClient("cron");
  const { rows } = await client
    .query<Setting>(
      "select name, context, vartype, unit, min_val, max_val, enumvals from pg_settings where name = any ($1)",
      [Object.keys(PARAMETERS)],
    )
    .finally(() => client.end());
  const own = Object.entries(PARAMETERS).filter(([, { source }]) => source === "postgresql");
  const missing = own.filter(([name]) => !rows.some((row) => row.name === name)).map(([name]) => name);
  expect(missing).toEqual([]);

  const wrong = rows.flatMap(({ name, context, vartype, unit, min_val, max_val, enumvals }) => {
    const fact = PARAMETERS[name];
    if (fact?.source !== "postgresql") return [];
    const problems: string[] = [];
    const { value } = fact;
    if ((context === "postmaster") !== (fact.apply === "static")) problems.push(`is ${context}`);
    if (value.kind === "integer" || value.kind === "real") {
      if (value.kind !== vartype) problems.push(`is ${vartype}`);
      if ((value.unit ?? null) !== unit) problems.push(`is in ${String(unit)}`);
      if (value.min < Number(min_val) || value.max > Number(max_val))
        problems.push(`is from ${String(min_val)} to ${String(max_val)}`);
    }
    if (value.kind === "boolean" && vartype !== "bool") problems.push(`is ${vartype}`);
    if (value.kind === "choice" && value.choices.some((choice) => enumvals?.includes(choice) === false)) {
      problems.push(`is one of ${String(enumvals)}`);
    }
    return problems.map((problem) => `${name} ${problem}`);
  });
  expect(wrong).toEqual([]);
});

test("pg_cron's parameters are static as far as its source says so, and none that it lacks is in the table", async () => {
  const client = await superuserClient("cron");
  const { rows } = await client
    .query<Setting>("select name, context from pg_settings where name like 'cron.%'")
    .finally(() => client.end());
  const table = Object.entries(PARAMETERS).filter(([name]) => name.startsWith("cron."));
  for (const [name, { apply }] of table) {
    const row = rows.find((found) => found.name === name);
    // cron.timezone came with 1.5.
    if (row === undefined) expect(name).toBe("cron.timezone");
    else expect([name, apply]).toEqual([name, row.context === "postmaster" ? "static" : "dynamic"]);
  }
});
