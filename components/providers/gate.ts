import { z } from "zod";
import { ConvergeError } from "../../converge/errors.ts";
import { runGate } from "../../converge/gate.ts";
import { describeStop, dueMembers, passedMembers } from "../../converge/gate-plan.ts";
import { PartlyDone, provide } from "./provider.ts";

const members = z.record(
  z.string(),
  z.strictObject({
    cell: z.string(),
    database: z.string(),
    /** A hash of everything that decides the merchant's database. */
    state: z.string(),
    /** Stands in what a gate that stopped left in the state, never in what the program declares. */
    quarantined: z.literal(true).optional(),
  }),
);

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
  async apply({ wave, merchants }, context, { olds }) {
    const known = z.looseObject({ merchants: members }).safeParse(olds);
    const before = known.success ? known.data.merchants : {};
    const due = dueMembers(merchants, before);
    const placed = due.map(async (member) => ({ ...member, address: await context.address(member.cell) }));
    const outcomes = await runGate(await Promise.all(placed));
    const stop = describeStop(wave, due, outcomes);
    if (stop === undefined) return;
    throw new PartlyDone(
      { wave, merchants: passedMembers(merchants, before, outcomes) },
      new ConvergeError("wave_stopped", stop),
    );
  },
  // It owns nothing on a server: that jobs went well once cannot drift.
  read: (inputs) => Promise.resolve({ ...inputs }),
  remove: () => Promise.resolve(),
});
