import { setTimeout } from "node:timers/promises";
import type { Parameters } from "../../spec/aws/parameters.ts";
import type { CellAddress } from "../address.ts";
import { ConvergeError } from "../errors.ts";
import { withCronSession } from "../session.ts";
import { type InstanceFacts, type InstanceName, readGroup, readInstance } from "./instance.ts";
import { reboot, type RebootPatience } from "./reboot.ts";
import { judgeInstance, notInForce, pendingSentence, type Standing } from "./standing-plan.ts";

/** RDS takes moments to say that a changed parameter waits for a reboot: looks, and milliseconds between two. */
const LOOKS = 24;
const BETWEEN_LOOKS = 5_000;

/** What of an instance the program needs to know and may do. */
export interface RdsInstance extends InstanceName {
  /** Whether it may be rebooted when it waits for that. */
  readonly rebootWhenPending: "never" | "now";
  /** Whether the administrator logs in by IAM. */
  readonly iam: boolean;
}

/** How an instance stands. Throws `no_credential`, `cannot_look`, `not_connected`. */
export async function readStanding(rds: RdsInstance): Promise<Standing> {
  return (await look(rds)).standing;
}

/**
 * Makes sure that an instance has in force what its jobs need, by a reboot where that is allowed. Throws `cell_not_ready`
 * with the sentence that says what it waits for, and the command.
 */
export async function assertStanding(rds: RdsInstance, patience?: RebootPatience): Promise<void> {
  const { standing, facts } = await look(rds);
  if (standing.state === "ready") return;
  if (standing.state === "wrong" || rds.rebootWhenPending === "never") {
    throw new ConvergeError("cell_not_ready", standing.sentence);
  }
  await reboot(facts, patience);
  const after = await look(rds);
  if (after.standing.state !== "ready") throw new ConvergeError("cell_not_ready", after.standing.sentence);
}

/**
 * Makes sure that a server runs with the parameters that its group has, which only the server itself knows for certain, by a
 * reboot where that is allowed. Throws `cell_not_ready`, naming them.
 */
export async function assertInForce(
  address: CellAddress,
  rds: RdsInstance,
  parameters: Parameters,
  patience?: RebootPatience,
): Promise<void> {
  if ((await readNotInForce(address, parameters)).length === 0) return;
  const facts = await readInstance(rds);
  if (rds.rebootWhenPending === "now") await reboot(facts, patience);
  const left = await readNotInForce(address, parameters);
  if (left.length > 0) throw new ConvergeError("cell_not_ready", pendingSentence(facts, left));
}

async function readNotInForce(address: CellAddress, parameters: Parameters): Promise<readonly string[]> {
  const settings = await withCronSession(address, (session) =>
    session.query<{ name: string; setting: string }>(
      "select s.name, s.setting from pg_catalog.pg_settings as s where s.name = any ($1::text[])",
      [Object.keys(parameters)],
    ),
  );
  return notInForce(parameters, Object.fromEntries(settings.rows.map(({ name, setting }) => [name, setting])));
}

async function look(rds: RdsInstance): Promise<{ readonly standing: Standing; readonly facts: InstanceFacts }> {
  const facts = await readSettled(rds);
  // Who logs in by a password needs no login by IAM.
  const standing = judgeInstance({ ...facts, iamLogin: facts.iamLogin || !rds.iam }, await readGroup(facts));
  return { standing, facts };
}

async function readSettled(rds: RdsInstance): Promise<InstanceFacts> {
  for (let look = 1; ; look += 1) {
    const facts = await readInstance(rds);
    if (facts.parameterStatus !== "applying" || look === LOOKS) return facts;
    await setTimeout(BETWEEN_LOOKS);
  }
}
