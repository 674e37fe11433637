import { z } from "zod";
import { assertServerSupports } from "../../converge/cron-server.ts";
import { rosterProblems } from "../../spec/roster.ts";
import { provide, UNREADABLE } from "./provider.ts";

const merchants = z.record(z.string(), z.object({ cell: z.string(), database: z.string() }));

const schema = z.strictObject({
  merchants,
  /** Cells whose schedules need a newer pg_cron than 1.4. */
  requires: z.record(z.string(), z.enum(["1.5", "1.6"])),
});

/** Inputs of Roster. */
export type RosterInputs = z.infer<typeof schema>;

/**
 * The stack's memory of its merchants. Every merchant depends on it and it refuses in `check`, so a merchant that
 * vanished or moved stops preview and up before anything is deleted.
 */
export const provider = provide<RosterInputs>({
  schema,
  fixed: [],
  id: () => "roster",
  refuse(olds, news) {
    const before = z.looseObject({ merchants }).safeParse(olds);
    if (!before.success) return [{ property: "merchants", reason: UNREADABLE }];
    return rosterProblems(before.data.merchants, news.merchants).map((problem) => ({
      property: problem.path,
      reason: `${problem.rule}. Way out: ${problem.fix}`,
    }));
  },
  async apply(inputs, context) {
    for (const [cell, version] of Object.entries(inputs.requires))
      await assertServerSupports(context.address(cell), version);
  },
  // The state is all there is: a refresh must not erase its memory.
  read: (inputs) => Promise.resolve({ ...inputs }),
  remove: () => Promise.resolve(),
});
