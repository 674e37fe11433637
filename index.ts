import { setImmediate } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { Cell } from "./components/cell.ts";
import type { Crontab } from "./components/crontab.ts";
import { Gate } from "./components/gate.ts";
import { Merchant } from "./components/merchant.ts";
import { Roster } from "./components/roster.ts";
import { explained, readConfig } from "./config.ts";
import { notesOn } from "./spec/aws/fits.ts";
import { busiestMinute } from "./spec/busiest-minute.ts";
import type { StackSpec } from "./spec/stack.ts";

/** Where each merchant is, as `<cell>/<database>`. */
export const merchants = await explained(async () => {
  const { stack, secret } = readConfig();
  const roster = new Roster(stack, { protect: true });
  const cells = new Map(
    Object.values(stack.cells).map((spec) => [spec.name, new Cell(spec, secret, { dependsOn: [roster] })]),
  );
  await declareMerchants(stack, cells, roster);
  tellOfCells(stack);
  return Object.fromEntries(stack.merchants.map(({ id, cell, database }) => [id, `${cell}/${database}`]));
});

/** Wave by wave: each merchant waits for the gate of the wave before its own, and for no merchant. */
async function declareMerchants(stack: StackSpec, cells: ReadonlyMap<string, Cell>, roster: Roster): Promise<void> {
  const { waves = [stack.merchants.map(({ id }) => id)] } = stack;
  let gate: Gate | undefined;
  for (const [index, wave] of waves.entries()) {
    const specs = stack.merchants.filter(({ id }) => wave.includes(id));
    // No gate waits for one that is leaving. It waits itself as long as an up can change it; a drop changes no schema.
    const staying = specs.filter(({ offboard }) => offboard === undefined);
    const crontabs: Crontab[] = [];
    for (const spec of specs) {
      const cell = cells.get(spec.cell);
      // The spec was checked as a whole: a merchant's cell is there.
      if (cell === undefined) continue;
      const { crontab } = new Merchant({
        spec,
        cell,
        roster,
        gate: spec.offboard?.phase === "drop" ? undefined : gate,
      });
      if (crontab && staying.includes(spec)) crontabs.push(crontab);
      // What is declared so far goes to the engine, which works on it while the next ones are declared.
      await setImmediate();
    }
    // The probes of all cells: a later wave may be on one that no merchant of this wave is on.
    const probes = index === 0 ? [...cells.values()].map(({ probe }) => probe) : [];
    // A wave that everybody is leaving has no crontab to carry the order: the gate before does.
    const order = crontabs.length > 0 || gate === undefined ? crontabs : [gate];
    if (stack.waves) gate = new Gate(index + 1, staying, { dependsOn: [...order, ...probes] });
  }
}

/** Who starts the jobs, whether a cell rests, and when most jobs meet: who looks at a preview shall see it. */
function tellOfCells({ cells, merchants }: StackSpec): void {
  for (const [cell, spec] of Object.entries(cells)) {
    if (spec.scheduler === "runner") void pulumi.log.info(`cell ${cell}: the runner starts its jobs, not pg_cron`);
    if (spec.suspended === true) {
      const rest = merchants.filter((merchant) => merchant.cell === cell).length;
      void pulumi.log.info(`cell ${cell} is suspended: the jobs of its ${rest} merchants rest`);
    }
    const busiest = busiestMinute(merchants, cell);
    if (busiest !== undefined) {
      const { time, jobs, of } = busiest;
      void pulumi.log.info(`cell ${cell}: at most ${jobs} of ${of} jobs start in one minute, ${time} GMT`);
    }
    for (const { level, text } of notesOn(spec, merchants))
      void (level === "info" ? pulumi.log.info(text) : pulumi.log.warn(text));
  }
}
