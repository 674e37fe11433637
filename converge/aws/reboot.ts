import { setTimeout } from "node:timers/promises";
import { ConvergeError } from "../errors.ts";
import { awsFailure, rdsClient } from "./clients.ts";
import { type InstanceFacts, readInstance } from "./instance.ts";

/** Milliseconds that a reboot may take, and between two looks. */
export interface RebootPatience {
  readonly until: number;
  readonly between: number;
}

const PATIENCE: RebootPatience = { until: 20 * 60_000, between: 5_000 };

/** Ends with the reboot before; gives the cell that did not come back. Cells go one after another. */
let before: Promise<string | undefined> = Promise.resolve(undefined);

/**
 * Reboots an instance and waits until it is back with its parameters in force; one with a standby goes over to it. One at a
 * time in this process, and none after one that did not come back. Throws `cell_not_ready`.
 */
export async function reboot(instance: InstanceFacts, patience: RebootPatience = PATIENCE): Promise<void> {
  const { cell } = instance;
  const mine = before.then((failed) => {
    if (failed === undefined) return rebootNow(instance, patience);
    throw new ConvergeError(
      "cell_not_ready",
      `cell ${cell} waits for a reboot, and was left alone because cell ${failed} did not come back from its own`,
    );
  });
  before = mine.then(
    () => undefined,
    () => cell,
  );
  await mine;
}

async function rebootNow(instance: InstanceFacts, { until, between }: RebootPatience): Promise<void> {
  const { cell, region, identifier, multiAz } = instance;
  const { sdk, client } = await rdsClient(region);
  const command = new sdk.RebootDBInstanceCommand({ DBInstanceIdentifier: identifier, ForceFailover: multiAz });
  await client.send(command).catch((error: unknown) => {
    throw awsFailure(cell, "rds:RebootDBInstance", error);
  });
  const end = performance.now() + until;
  for (;;) {
    const { status, parameterStatus } = await readInstance(instance);
    if (status === "available" && parameterStatus !== "pending-reboot") return;
    if (performance.now() > end) {
      throw new ConvergeError(
        "cell_not_ready",
        `cell ${cell}: the instance ${identifier} was rebooted and is not back after ${Math.round(until / 60_000)} min ` +
          `(${status}, parameters ${parameterStatus}): see its events, and run up again`,
      );
    }
    await setTimeout(between);
  }
}
