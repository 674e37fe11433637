import { z } from "zod";
import { ConvergeError } from "../../converge/errors.ts";
import { runGate } from "../../converge/gate.ts";
import { describeStop, dueMembers, gateMemory } from "../../converge/gate-plan.ts";
import { PartlyDone, provide } from "./provider.ts";

const members = z.record(
  z.string(),
  z.strictObject({
    cell: z.string(),
    database: z.string(),
    /** A hash of everything that decides the merchant's database. */
    state: z.string(),
  }),
);

/** What an earlier apply left in the state. After one that stopped, `merchants` are those that passed. */
const memory = z.object({
  merchants: z.record(z.string(), z.object({ cell: z.string(), database: z.string(), state: z.string() })),
  told: z.record(z.string(), z.string()).default({}),
});

const schema = z.strictObject({
  /** Which one it is, from 1. */
  wave: z.number().int(),
  merchants: members,
});

/** Inputs of Gate. */
export type GateInputs = z.infer<typeof schema>;

export const provider = provide<GateInputs>({
  schema,
  fixed: ["wave"],
  id: ({ wave }) => `wave-${wave}`,
  // No program can declare what was told, and a change of the wave must not forget it.
  recorded: ["told"],
  async applyRecorded({ wave, merchants }, context, { olds }) {
    const known = memory.safeParse(olds);
    const before = known.success ? known.data : { merchants: {}, told: {} };
    const due = dueMembers(merchants, before);
    const placed = due.map(async (member) => ({ ...member, address: await context.address(member.cell) }));
    const outcomes = await runGate(await Promise.all(placed));
    const after = gateMemory(merchants, before, outcomes);
    const recorded = Object.keys(after.told).length > 0 ? { told: after.told } : {};
    const stop = describeStop(wave, outcomes);
    if (stop === undefined) return recorded;
    throw new PartlyDone({ wave, merchants: after.merchants, ...recorded }, new ConvergeError("wave_stopped", stop));
  },
  // It owns nothing on a server: that jobs went well once cannot drift.
  read: (inputs) => Promise.resolve({ ...inputs }),
  remove: () => Promise.resolve(),
});
