import * as pulumi from "@pulumi/pulumi";
import { Cell } from "./components/cell.ts";
import { Merchant } from "./components/merchant.ts";
import { Roster } from "./components/roster.ts";
import { explained, readConfig } from "./config.ts";
import { busiestMinute } from "./spec/busiest-minute.ts";
import type { StackSpec } from "./spec/stack.ts";

/** Where each merchant is, as `<cell>/<database>`. */
export const merchants = explained(() => {
  const { stack, secret } = readConfig();
  const roster = new Roster(stack, { protect: true });
  const cells = new Map(
    Object.values(stack.cells).map((spec) => [spec.name, new Cell(spec, secret, { dependsOn: [roster] })]),
  );
  for (const spec of stack.merchants) {
    const cell = cells.get(spec.cell);
    // The spec was checked as a whole: a merchant's cell is there.
    if (cell) new Merchant({ spec, cell, roster });
  }
  tellBusiestMinutes(stack);
  return Object.fromEntries(stack.merchants.map(({ id, cell, database }) => [id, `${cell}/${database}`]));
});

/** Schedules that are alike meet in one minute: who looks at a preview shall see it. */
function tellBusiestMinutes({ cells, merchants }: StackSpec): void {
  for (const cell of Object.keys(cells)) {
    const busiest = busiestMinute(merchants, cell);
    if (busiest === undefined) continue;
    const { time, jobs, of } = busiest;
    void pulumi.log.info(`cell ${cell}: at most ${jobs} of ${of} jobs start in one minute, ${time} GMT`);
  }
}
