import path from "node:path";
import { z } from "zod";
import { makeAdministrator, readAdministratorSql } from "../../converge/aws/administrator.ts";
import { assertInForce, assertStanding, readStanding } from "../../converge/aws/standing.ts";
import { ConvergeError } from "../../converge/errors.ts";
import { provide } from "./provider.ts";

const schema = z.strictObject({
  cell: z.string(),
  /** What went unfinished: the instance waits for a reboot, or its parameter group is wrong. */
  finds: z.record(z.string(), z.string()),
  /** Static parameters that must be in force, of an instance that the stack makes. */
  parameters: z.record(z.string(), z.string()).optional(),
  /** The sha256 of what makes its administrator. */
  administrator: z.string().optional(),
});

/** Inputs of Readiness. `finds` is declared empty; `read` fills it. */
export type ReadinessInputs = z.infer<typeof schema>;

export const provider = provide<ReadinessInputs>({
  schema,
  fixed: ["cell"],
  id: ({ cell }) => cell,
  async apply({ cell, parameters, administrator }, context) {
    const address = await context.address(cell);
    const { rds } = address;
    if (rds === undefined) throw new ConvergeError("bad_inputs", `cell ${cell} is not on RDS any more: put it back`);
    await assertStanding(rds);
    if (administrator === undefined) return;
    const sql = readAdministratorSql(path.join(import.meta.dirname, "..", "..", "sql"));
    if (sql.sha256 !== administrator) {
      throw new ConvergeError("file_changed", `${sql.file} is not the one that was planned with: run up again`);
    }
    await makeAdministrator(address, rds, sql.text);
    await assertInForce(address, rds, parameters ?? {});
  },
  async read(inputs, context) {
    const { rds } = await context.address(inputs.cell);
    const standing = rds === undefined ? undefined : await readStanding(rds);
    const finds = standing === undefined || standing.state === "ready" ? {} : { instance: standing.sentence };
    return { ...inputs, finds };
  },
  remove: () => Promise.resolve(),
});
