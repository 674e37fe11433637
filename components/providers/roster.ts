import { z } from "zod";
import { assertServerSupports } from "../../converge/cron-server.ts";
import { assertGone } from "../../converge/offboard.ts";
import { type CellEntries, cellProblems } from "../../spec/aws/replacement.ts";
import { roleNames } from "../../spec/names.ts";
import type { Problem } from "../../spec/problems.ts";
import { leavers, rosterProblems } from "../../spec/roster.ts";
import { provide, UNREADABLE } from "./provider.ts";

const merchants = z.record(
  z.string(),
  z.object({ cell: z.string(), database: z.string(), offboard: z.enum(["export", "drop"]).optional() }),
);

const cells = z.record(
  z.string(),
  z.object({
    region: z.string(),
    identifier: z.string(),
    vpcId: z.string(),
    kmsKeyId: z.string().optional(),
    major: z.string(),
    upgrade: z.literal(true).optional(),
    expendable: z.literal(true).optional(),
  }),
);

const schema = z.strictObject({
  merchants,
  /** The cells that this stack makes; left out when there is none. */
  cells: cells.optional(),
  /** Cells whose schedules need a newer pg_cron than 1.4. */
  requires: z.record(z.string(), z.enum(["1.5", "1.6"])),
});

/** Inputs of Roster. */
export type RosterInputs = z.infer<typeof schema>;

/**
 * The stack's memory of its merchants and of the cells that it makes. Every cell and merchant depends on it and it
 * refuses in `check`, so a merchant that vanished or moved, or a cell that would be replaced, stops preview and up before
 * anything is deleted.
 */
export const provider = provide<RosterInputs>({
  schema,
  fixed: [],
  id: () => "roster",
  refuseNew: (news) => failuresOf(rosterProblems({}, news.merchants)),
  refuse(olds, news) {
    const before = z.looseObject({ merchants, cells: cells.optional() }).safeParse(olds);
    if (!before.success) return [{ property: "merchants", reason: UNREADABLE }];
    const made: CellEntries = before.data.cells ?? {};
    return failuresOf([
      ...rosterProblems(before.data.merchants, news.merchants),
      ...cellProblems(made, news.cells ?? {}),
    ]);
  },
  async apply(inputs, context, { olds }) {
    const before = z.looseObject({ merchants }).safeParse(olds);
    // That it was declared to be dropped does not say that it was. Before anything is deleted, its cell is asked.
    for (const { id, cell, database } of leavers(before.data?.merchants ?? {}, inputs.merchants)) {
      await assertGone({ address: await context.address(cell), merchant: id, database, ...roleNames(database) });
    }
    for (const [cell, version] of Object.entries(inputs.requires))
      await assertServerSupports(await context.address(cell), version);
  },
  // The state is all there is: a refresh must not erase its memory.
  read: (inputs) => Promise.resolve({ ...inputs }),
  remove: () => Promise.resolve(),
});

function failuresOf(problems: readonly Problem[]) {
  return problems.map(({ path, rule, fix }) => ({ property: path, reason: `${rule}. Way out: ${fix}` }));
}
